"""lm-eval's files as runs: both formats, with items and without; and what is none of its files."""

import json
from pathlib import Path
from typing import Any

import pytest

from cai_eval import registry
from cai_eval.errors import UserError
from cai_eval.pages import scores
from cai_eval.pages.headline import extent
from cai_eval.study.importing import import_lm_eval
from cai_eval.study.importing.lm_eval_files import items_behind
from cai_eval.study.results import load_results
from cai_eval.study.store import RunDirectory

DATE = "2026-01-02T03-04-05.678901"
OPTIONS = ("yes", "no", "maybe")
RIGHT = [1.0, 0.0, 1.0, 1.0]
LOSSES = [1.5, 0.5, 2.0, 4.0]
OLD = {
    "results": {"lambada_openai": {"ppl": 8.0, "ppl_stderr": 0.4, "acc": 0.25, "acc_stderr": 0.0625}},
    "versions": {"lambada_openai": 0},
    "config": {
        "model": "hf-causal",
        "model_args": "pretrained=EleutherAI/pythia-v1.1-70m,revision=step3",
        "num_fewshot": 0,
    },
}


def result_file(folder: Path, model: str = "EleutherAI/pythia-410m", right: list[float] = RIGHT) -> Path:
    """A results file as lm-eval 0.4 writes it, for a task of options and one of perplexity."""
    content = {
        "results": {
            "quiz": {"alias": "quiz", "acc,none": sum(right) / len(right), "acc_stderr,none": 0.25},
            "tale": {"alias": "tale", "perplexity,none": 7.389056098930650, "perplexity_stderr,none": "N/A"},
            "heading": {"alias": "heading", " ": " "},
        },
        "versions": {"quiz": 1.0, "tale": 2.0},
        "n-shot": {"quiz": 2, "tale": 0},
        "higher_is_better": {"quiz": {"acc": True}, "tale": {"perplexity": False}},
        "n-samples": {"quiz": {"original": 9, "effective": 4}, "tale": {"original": 4, "effective": 4}},
        "config": {"model": "hf", "model_args": {"pretrained": model, "dtype": "float32"}, "model_sha": "abc"},
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"results_{DATE}.json"
    path.write_text(json.dumps(content))
    return path


def sample_files(folder: Path, right: list[float] = RIGHT) -> list[Path]:
    def sample(i: int, arguments: list[str], responses: list[Any], **said: Any) -> dict[str, Any]:
        asked = {f"gen_args_{j}": {"arg_0": f"Question {i}?", "arg_1": f" {each}"} for j, each in enumerate(arguments)}
        common = {"doc_id": i, "doc": {"q": i // 2}, "arguments": asked, "filtered_resps": responses, "filter": "none"}
        return {**common, **said}

    quiz = [
        sample(i, list(OPTIONS), [["-1.0", "True"], ["-2.0", "False"], ["-3.0", "False"]], target="0", acc=value)
        for i, value in enumerate(right)
    ]
    tale = [sample(i, ["end"], [[str(-x), "False"]], target=" end", perplexity=-x) for i, x in enumerate(LOSSES)]
    paths = []
    for name, rows in (("quiz", quiz), ("tale", tale)):
        paths.append(folder / f"samples_{name}_{DATE}.jsonl")
        paths[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    return paths


def test_samples_become_records(tmp_path: Path) -> None:
    files = [result_file(tmp_path / "files"), *sample_files(tmp_path / "files")]
    assert import_lm_eval(files, tmp_path / "run") == 2
    results = load_results([tmp_path / "run"])
    assert dict(zip(results.cells["benchmark"], results.cells["items"], strict=True)) == {
        "lm-eval:quiz": 4,
        "lm-eval:tale": 4,
    }
    assert set(results.cells["parameters"]) == {302_311_424}
    quiz, tale = (results.details(cell) for cell in results.cells.index)
    assert [record.scores["acc"] for record in quiz] == RIGHT
    assert (quiz[0].prompt, quiz[0].answer, quiz[0].reference) == ("Question 0?", "yes", "yes")
    assert quiz[0].details == {"options": list(OPTIONS), "logprobs": [-1.0, -2.0, -3.0]}
    assert len({record.item for record in quiz}) == 4
    assert len({record.cluster for record in quiz}) == 2  # two items have one document
    assert [record.scores["perplexity"] for record in tale] == LOSSES
    (metric,) = results.metrics["lm-eval:tale"]
    (row,) = scores.scores(results, "lm-eval:tale", metric).itertuples()
    assert row.value == pytest.approx(7.38905609893065)


def test_without_samples_a_cell_holds_means_and_no_record(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text(json.dumps(OLD))
    import_lm_eval([old, result_file(tmp_path / "new")], tmp_path / "run")
    results = load_results([tmp_path / "run"])
    assert results.records.empty
    assert all(not results.details(cell) for cell in results.cells.index)
    ppl, acc = results.metrics["lm-eval:lambada_openai"]
    assert (acc.primary, ppl.transform) == (True, "exp")
    (row,) = scores.scores(results, "lm-eval:lambada_openai", acc).itertuples()
    assert (row.value, row.low, row.high, row.items) == pytest.approx((0.25, 0.1275, 0.3725, 49), abs=1e-4)
    assert row.rung == "pythia-v1.1-70m@step3"
    (row,) = scores.scores(results, "lm-eval:lambada_openai", ppl).itertuples()
    assert row.value == pytest.approx(8)
    assert row.low * row.high == pytest.approx(64)
    (row,) = scores.scores(results, "lm-eval:tale", results.metrics["lm-eval:tale"][0]).itertuples()
    assert row.low != row.low  # no standard error, no interval
    assert RunDirectory.read(tmp_path / "run").manifest()["notes"][0].startswith("Of 3 of 3 cells")
    assert "0 records" in extent(results)
    drawn = next(iter(registry.create("reports", "scaling").draw(results)))
    assert "intervals from the standard errors that were imported" in drawn.caption


@pytest.mark.parametrize(("right", "of"), [(1497, 5153), (1, 2), (99, 100)])
def test_the_standard_error_of_an_accuracy_tells_how_many_items(right: int, of: int) -> None:
    p = right / of
    assert items_behind(p, (p * (1 - p) / (of - 1)) ** 0.5) == of


def test_other_standard_errors_tell_nothing() -> None:
    assert items_behind(0.3, 0.0) == 0
    assert items_behind(0.3, 0.01337) == 0
    assert items_behind(3.95, 0.257) == 0


def test_published_results_of_pythia_are_a_scaling_curve(tmp_path: Path, data_dir: Path) -> None:
    assert import_lm_eval([data_dir / "published" / "pythia"], tmp_path / "run", tasks=["lambada_*"]) == 8
    results = load_results([tmp_path / "run"])
    acc = next(metric for metric in results.metrics["lm-eval:lambada_openai"] if metric.name == "acc")
    curve = scores.scores(results, "lm-eval:lambada_openai", acc)
    assert curve["parameters"].is_monotonic_increasing
    assert curve["value"].is_monotonic_increasing
    assert (curve["items"] == 5153).all()
    assert RunDirectory.read(tmp_path / "run").manifest()["ladder"] == "pythia"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "no results file of lm-eval"),
        ('{"results": {}, "config": {}}', "no config and results"),
        ('{"results": {"quiz": {"acc": 0.5}}, "config": {}}', "which model"),
        ('{"results": {"quiz": [1]}, "config": {"model_args": "pretrained=gpt2"}}', "not known here"),
        (
            '{"results": {"quiz": {"acc": NaN}}, "config": {"model_args": "pretrained=gpt2"}}',
            "acc of quiz is not a number",
        ),
    ],
)
def test_what_is_no_results_file_is_said_in_a_sentence(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(content)
    with pytest.raises(UserError, match=said):
        import_lm_eval([path], tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    results, samples = result_file(folder), sample_files(folder, right=[0.0, 0.0, 0.0, 1.0])
    with pytest.raises(UserError, match="its mean of acc is another"):
        import_lm_eval([results, *samples], tmp_path / "run")
    with pytest.raises(UserError, match="give 'results_2026-01"):
        import_lm_eval(samples, tmp_path / "run")
    samples[0].write_text('{"doc_id": 0}\n')
    with pytest.raises(UserError, match="format of samples that is not known"):
        import_lm_eval([results, samples[0]], tmp_path / "run")
    with pytest.raises(UserError, match="both hold quiz of pythia-410m"):
        import_lm_eval([results, result_file(tmp_path / "again")], tmp_path / "run")
    with pytest.raises(UserError, match="no task"):
        import_lm_eval([results], tmp_path / "run", tasks=["riddle"])


def test_a_folder_stands_for_all_that_lies_below(tmp_path: Path) -> None:
    for model in ("EleutherAI/pythia-70m", "EleutherAI/pythia-410m"):
        result_file(tmp_path / "out" / model.replace("/", "__"), model)
        sample_files(tmp_path / "out" / model.replace("/", "__"))
    assert import_lm_eval([tmp_path / "out"], tmp_path / "run") == 4
    assert set(load_results([tmp_path / "run"]).cells["items"]) == {4}
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no results of lm-eval lie in"):
        import_lm_eval([tmp_path / "empty"], tmp_path / "none")


def test_an_import_does_not_forget_another(tmp_path: Path) -> None:
    small, large = (result_file(tmp_path / size, f"EleutherAI/pythia-{size}") for size in ("70m", "410m"))
    import_lm_eval([small], tmp_path / "run")
    with pytest.raises(UserError, match="holds an import with lm-eval:quiz of pythia-70m"):
        import_lm_eval([large], tmp_path / "run")
    assert set(load_results([tmp_path / "run"]).cells["rung"]) == {"pythia-70m"}
    import_lm_eval([small, large], tmp_path / "run")
    assert set(load_results([tmp_path / "run"]).cells["rung"]) == {"pythia-70m", "pythia-410m"}


def test_models_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    files = [result_file(tmp_path / who, f"{who}/pythia-70m", right) for who, right in (("a", RIGHT), ("b", [0.0] * 4))]
    import_lm_eval(files, tmp_path / "run", tasks=["quiz"])
    cells = load_results([tmp_path / "run"]).cells
    assert set(cells["rung"]) == set(cells["model"]) == {"a/pythia-70m", "b/pythia-70m"}


def test_samples_of_the_first_0_4_are_read_too(tmp_path: Path) -> None:
    """Their arguments are lists."""
    files = [result_file(tmp_path), *sample_files(tmp_path)]
    for path in files[1:]:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        old = [{**row, "arguments": [[*each.values()] for each in row["arguments"].values()]} for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in old))
    import_lm_eval(files, tmp_path / "run")
    results = load_results([tmp_path / "run"])
    quiz = results.details(results.cells.index[0])
    assert (quiz[0].prompt, quiz[0].answer) == ("Question 0?", "yes")


def test_an_unknown_size_is_asked_for(tmp_path: Path) -> None:
    path = result_file(tmp_path / "files", model="me/mystery-7b")
    with pytest.raises(UserError, match="--size mystery-7b=302M"):
        import_lm_eval([path], tmp_path / "run")
    import_lm_eval([path], tmp_path / "run", sizes={"mystery-7b": 6_500_000_000})
    assert set(load_results([tmp_path / "run"]).cells["parameters"]) == {6_500_000_000}
