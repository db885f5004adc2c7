"""Runs against each other, their own and imported ones."""

import json
import sys
from pathlib import Path

import pytest
from finished import PROTOCOL, write_run
from test_importing import result_file, sample_files

from cai_eval.cli import main
from cai_eval.errors import UserError
from cai_eval.study.compare import compare_runs
from cai_eval.study.gate.baseline import baseline_of
from cai_eval.study.importing import import_lm_eval

OLD = [1.0] * 60 + [0.0] * 40
NEW = [0.0] * 30 + [1.0] * 50 + [0.0] * 20


def imported(folder: Path, model: str, right: list[float], *, samples: bool = True) -> Path:
    files = [result_file(folder / "files", model, right), *(sample_files(folder / "files", right) if samples else [])]
    import_lm_eval(files, folder / "run", tasks=["quiz"])
    return folder / "run"


def test_each_run_is_compared_with_the_first_in_one_family(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / name, {"none": [values], "tuned": [OLD]})
        for name, values in (("a", OLD), ("b", NEW), ("c", OLD))
    ]
    frame = compare_runs(runs).changes.set_index(["run", "intervention"])
    assert list(frame.index) == [("b", "none"), ("b", "tuned"), ("c", "none"), ("c", "tuned")]
    changed = frame.loc[("b", "none")]
    assert (changed["before"], changed["after"], changed["change"]) == pytest.approx((0.6, 0.5, -0.1))
    assert changed["low"] < -0.1 < changed["high"]
    assert changed["p_adjusted"] == pytest.approx(min(1, 4 * changed["p"]))
    assert frame["paired"].all()
    assert set(frame["items"]) == {100}
    assert frame.drop(index=("b", "none"))["change"].eq(0).all()


def test_only_shared_items_count(tmp_path: Path) -> None:
    one = write_run(tmp_path / "a", {"none": [OLD]})
    other = write_run(tmp_path / "b", {"none": [[None, *NEW[1:70]]]})
    (row,) = compare_runs([one, other]).changes.to_dict("records")
    assert (row["items"], row["before"], row["after"]) == pytest.approx((69, 59 / 69, 40 / 69))


def test_models_of_other_names_are_matched(tmp_path: Path) -> None:
    """By the model where there are several rungs, and the only ones of two runs in any case."""
    one = write_run(tmp_path / "a", {"none": [OLD]}, size="step1", model="x")
    other = write_run(tmp_path / "b", {"none": [NEW]}, size="step2", model="y")
    assert list(compare_runs([one, other]).changes["rung"]) == ["step1"]
    several = write_run(tmp_path / "c", {"none": [OLD, NEW]}, size="410M", model="x", models=2)
    assert "not compared: 410M, none, quiz (seed 1/0) is only in" in " ".join(compare_runs([several, one]).notes)


def test_imported_samples_are_paired_with_those_of_another_model(tmp_path: Path) -> None:
    small = imported(tmp_path / "small", "EleutherAI/pythia-70m", [1.0, 0.0, 0.0, 1.0])
    large = imported(tmp_path / "large", "EleutherAI/pythia-410m", [1.0, 0.0, 1.0, 1.0])
    (row,) = compare_runs([small, large]).changes.to_dict("records")
    assert (row["rung"], row["items"], row["change"], row["paired"]) == ("pythia-70m", 4, 0.25, True)


def test_imported_means_are_compared_without_pairs(tmp_path: Path) -> None:
    """Of each standard errors of .25: the difference has √2 of that."""
    means = imported(tmp_path / "means", "EleutherAI/pythia-410m", [1.0, 0.0, 0.0, 0.0], samples=False)
    items = imported(tmp_path / "more", "EleutherAI/pythia-410m", [1.0, 1.0, 1.0, 0.0], samples=False)
    (row,) = compare_runs([means, items]).changes.to_dict("records")
    assert (row["change"], row["high"] - row["low"]) == pytest.approx((0.5, 2 * 1.959964 * 0.25 * 2**0.5))
    assert row["p"] == pytest.approx(0.1573, abs=1e-4)
    assert (row["paired"], row["items"]) == (False, 0)
    items = imported(tmp_path / "items", "EleutherAI/pythia-410m", [1.0, 1.0, 1.0, 0.0])
    (row,) = compare_runs([means, items]).changes.to_dict("records")
    assert (row["before"], row["after"], row["paired"]) == (0.25, 0.75, False)


def test_another_protocol_is_said(tmp_path: Path) -> None:
    one = write_run(tmp_path / "a", {"none": [OLD]})
    other = write_run(tmp_path / "b", {"none": [OLD]}, protocol=PROTOCOL | {"config": {"shots": 5}})
    (note,) = compare_runs([one, other]).notes
    assert note.startswith("asked otherwise: quiz has config {'shots': 0} in ")


def test_an_imported_run_is_a_baseline_where_it_has_items(tmp_path: Path) -> None:
    baseline = baseline_of(imported(tmp_path / "items", "EleutherAI/pythia-410m", [1.0, 0.0, 1.0, 1.0]))
    (cell,) = baseline.cells
    assert (cell.rung, cell.policy, cell.scores) == ("pythia-410m", "abc", (1.0, 0.0, 1.0, 1.0))
    with pytest.raises(UserError, match="holds means and no items"):
        baseline_of(imported(tmp_path / "means", "EleutherAI/pythia-410m", [1.0, 0.0, 1.0, 1.0], samples=False))


def test_the_command_says_what_it_compared(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, values, items in (("a", OLD, "i"), ("b", NEW, "i"), ("c", NEW, "j")):
        write_run(Path(name), {"none": [values]}, names=items)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cai-eval", "compare", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        return (exit_.value.code, *capsys.readouterr())

    code, out, _ = call("a", "b", "--json")
    assert code == 0
    assert json.loads(out)["changes"][0]["change"] == pytest.approx(-0.1)
    write_run(Path("many"), {f"tuned-{i}": [OLD] for i in range(25)} | {"none": [OLD]})
    code, out, _ = call("a", "many")
    assert (out.count("is only in many"), "and 5 notes more" in out) == (20, True)
    code, out, _ = call("a", "b", "c")
    assert code == 0
    assert "not compared: tiny, none, quiz (seed 0) has no item in c that a has" in out
    write_run(Path("constant"), {"none": [[0.3, 0.4] * 50]})
    code, out, _ = call("constant", "constant")
    assert (code, "+0.000" in out, "nan" in out) == (0, True, False)
    write_run(Path("x/a"), {"none": [NEW]})
    assert [row["run"] for row in json.loads(call("a", "x/a", "b", "--json")[1])["changes"]] == ["x/a", "b"]
    code, out, err = call("a", "c")
    assert (code, out) == (2, "")
    assert err == "cai-eval: the runs share no item of any cell: compare runs of the same models, suite and data.\n"
