"""The trainers that train: promises, inputs, and what they make."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from tiny import TEXT, save_model
from transformers import AutoModelForCausalLM, PreTrainedModel

from cai_eval.contracts import DatasetSpec, PolicySpec
from cai_eval.errors import UserError
from cai_eval.models.fingerprint import fingerprint
from cai_eval.models.loading import load_tokenizer
from cai_eval.prefixes import make_prefix
from cai_eval.study.workshop import Models, NodeWorkshop
from cai_eval.testing import RowsSource, check_trainer, write_rows
from cai_eval.trainers.context_distillation import ContextDistillation
from cai_eval.trainers.context_distillation.texts import as_read, opening
from cai_eval.trainers.fine_tune import FineTune
from cai_eval.trainers.prompt import Prompt
from cai_eval.trainers.rows import Rows
from cai_eval.trainers.samples import Samples
from cai_eval.training.log import read_log

CONVERSATION = "Human: Why does bread rise?\n\nAssistant: Yeast makes gas, and the dough holds it."
SOURCE = RowsSource(
    {
        "plain-texts": [{"text": " = Heading = "}, {"text": "The ferry leaves at nine. " * 4}, {"text": TEXT[400:600]}],
        "conversations": [{"text": CONVERSATION}, {"text": CONVERSATION.replace("bread", "dough")}],
    }
)
SHORT = {"steps": 4, "rows": 2, "rate": 3e-3, "warmup": 1}


@dataclass(frozen=True)
class Bench:
    """A tiny policy, and the same one behind a prompt."""

    base: PolicySpec
    prompted: PolicySpec


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    model = save_model(tmp_path_factory.mktemp("tiny"))
    base = PolicySpec(model, fingerprint(model), 1000, 512)
    prefix = make_prefix(load_tokenizer(model), TEXT[:300], "")
    return Bench(base, replace(base, format="dialogue", prefix=prefix))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAI_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def workshop(directory: Path, source: Any = SOURCE) -> NodeWorkshop:
    return NodeWorkshop(directory, 0, source, Models(device="cpu"), lambda done, total, note: None)


def distil(bench: Bench, directory: Path, source: Any = SOURCE, **config: Any) -> PolicySpec:
    trainer = ContextDistillation(ContextDistillation.Config(**{**SHORT, "texts": 4, **config}))
    made = trainer.run({"start": bench.base, "teacher": bench.prompted}, workshop(directory, source))
    assert isinstance(made, PolicySpec)
    return made


def losses(directory: Path) -> list[float]:
    return [entry["loss"] for entry in read_log(directory / "log.jsonl")]


def test_context_distillation_keeps_its_promises(bench: Bench) -> None:
    inputs = {"start": bench.base, "teacher": bench.prompted}
    config = {**SHORT, "texts": 4}
    check_trainer(ContextDistillation, config, inputs=inputs, source=SOURCE, workshop=workshop)


def test_a_distilled_policy_is_a_plain_model_without_prompt(bench: Bench, tmp_path: Path, cache: Path) -> None:
    made = distil(bench, tmp_path / "node", steps=30)
    assert (made.format, made.prefix, made.parameters) == ("dialogue", bench.base.prefix, bench.base.parameters)
    assert made.fingerprint == fingerprint(made.model) != bench.base.fingerprint
    AutoModelForCausalLM.from_pretrained(made.model)
    found = losses(tmp_path / "node")
    assert found[-1] < found[0] / 2
    assert {path.name for path in (tmp_path / "node").iterdir()} - {"tensorboard"} == {"log.jsonl", "model"}
    shards = {path: path.stat().st_mtime_ns for path in cache.rglob("*.npy")}
    distil(bench, tmp_path / "another", steps=2)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.npy")} == shards != {}


def test_a_disk_that_is_full_at_last_costs_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    with monkeypatch.context() as patch:
        patch.setattr(PreTrainedModel, "save_pretrained", full)
        with pytest.raises(UserError, match=r"model cannot be written to .*No space left"):
            distil(bench, tmp_path)
    log = (tmp_path / "log.jsonl").read_text()
    AutoModelForCausalLM.from_pretrained(distil(bench, tmp_path).model)
    assert (tmp_path / "log.jsonl").read_text() == log


def test_the_cached_loss_is_below_the_exact_one_and_near_it(bench: Bench, tmp_path: Path) -> None:
    distil(bench, tmp_path / "cached", steps=1, k=50)
    distil(bench, tmp_path / "exact", steps=1, exact=True)
    (cached,), (exact,) = losses(tmp_path / "cached"), losses(tmp_path / "exact")
    assert exact / 20 < cached < exact


def test_one_line_is_corpus_enough(bench: Bench, tmp_path: Path) -> None:
    line = RowsSource({"plain-texts": [{"text": TEXT[400:600]}], "conversations": [{"text": CONVERSATION}]})
    distil(bench, tmp_path, line, steps=30)
    found = losses(tmp_path)
    assert found[-1] < found[0] / 2


def test_a_policy_is_distilled_on_what_it_writes_itself(bench: Bench, tmp_path: Path) -> None:
    prompted = Prompt(Prompt.Config(text=TEXT[:300], separator=" ")).run({"start": bench.base}, workshop(tmp_path))
    assert isinstance(prompted, PolicySpec)
    assert (prompted.format, prompted.prefix.text) == ("plain", TEXT[:300])
    own = Samples(Samples.Config(count=6, tokens=12)).run({"policy": prompted}, workshop(tmp_path / "own"))
    trainer = ContextDistillation(ContextDistillation.Config(**{**SHORT, "steps": 30}))
    inputs = {"start": bench.base, "teacher": prompted, "texts": own}
    made = trainer.run(inputs, workshop(tmp_path / "node", RowsSource({})))
    assert isinstance(made, PolicySpec)
    assert made.format == "plain"
    found = losses(tmp_path / "node")
    assert found[-1] < found[0] / 2


def test_prompt_and_samples_keep_their_promises(bench: Bench) -> None:
    check_trainer(Prompt, {"text": "1\n2", "separator": "\n"})
    check_trainer(Samples, {"count": 3, "tokens": 4}, inputs={"policy": bench.prompted}, workshop=workshop)


def test_a_student_of_a_plain_teacher_learns_the_first_token_too(bench: Bench) -> None:
    start = opening(load_tokenizer(bench.base.model))
    assert start == "<|end|>"
    assert as_read(["a b"], "plain", start) == [("<|end|>a b", "a b")]
    assert as_read(["a b", "Human: a"], "dialogue", start) == [("a b", "Human: a b"), ("Human: a", "Human: a")]


def test_a_teacher_without_prompt_is_refused(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no prompt"):
        distil(replace(bench, prompted=bench.base), tmp_path)


def test_fine_tuning_keeps_its_promises_on_the_prompts_own_text(bench: Bench) -> None:
    inputs = {"start": bench.base, "prompt": bench.prompted}
    check_trainer(FineTune, {**SHORT, "tokens": 64}, inputs=inputs, source=SOURCE, workshop=workshop)


def test_fine_tuning_learns_dialogues(bench: Bench, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", [{"text": CONVERSATION}] * 3)
    trainer = FineTune(FineTune.Config(**{**SHORT, "steps": 30}))
    made = trainer.run({"start": bench.base, "prompt": bench.prompted, "dialogues": rows}, workshop(tmp_path / "node"))
    assert isinstance(made, PolicySpec)
    assert made.format == "dialogue"
    found = losses(tmp_path / "node")
    assert found[-1] < found[0] - 1


def test_what_a_kill_left_of_a_model_is_not_in_the_next(bench: Bench, tmp_path: Path) -> None:
    left = tmp_path / "node/unfinished/.tmp1"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a tensor")
    made = FineTune(FineTune.Config(**SHORT, tokens=64)).run(
        {"start": bench.base, "prompt": bench.prompted}, workshop(tmp_path / "node")
    )
    assert isinstance(made, PolicySpec)
    assert Path(made.model, "model.safetensors").is_file()
    assert not Path(made.model, left.name).exists()


def test_fine_tuning_by_adapters_gives_a_plain_model(bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    trainer = FineTune(FineTune.Config(**SHORT, tokens=64, lora_rank=2))
    made = trainer.run({"start": bench.base, "prompt": bench.prompted}, workshop(tmp_path / "node"))
    assert isinstance(made, PolicySpec)
    old, new = (AutoModelForCausalLM.from_pretrained(p.model).state_dict() for p in (bench.base, made))
    assert old.keys() == new.keys()
    assert not all(torch.equal(old[name], new[name]) for name in old)


def test_a_rate_that_is_far_too_high_is_an_error_and_makes_no_model(bench: Bench, tmp_path: Path) -> None:
    trainer = FineTune(FineTune.Config(steps=40, rows=1, rate=10.0, warmup=0, tokens=64))
    with pytest.raises(UserError, match="lower the learning rate"):
        trainer.run({"start": bench.base, "prompt": bench.prompted}, workshop(tmp_path))
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("row", [{}, {"text": None}, {"prompt": "x"}])
def test_a_row_without_text_is_named(row: dict[str, Any], bench: Bench, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "texts.jsonl", [{"text": CONVERSATION}, row])
    trainer = ContextDistillation(ContextDistillation.Config())
    inputs = {"start": bench.base, "teacher": bench.prompted, "texts": rows}
    with pytest.raises(UserError, match="row 2 of the texts to distil on"):
        trainer.run(inputs, workshop(tmp_path / "node"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (rb'{"text": "Human: Hm?\n\nAssistant: \ud83d"}', r"holds half of a surrogate pair, '\\ud83d'"),
        (b'{"messages": [{"role": "user", "content": "\\udc00"}]}', r"holds half of a surrogate pair, '\\udc00'"),
        (b'{"text": "Human: Hm?\\n\\nAssistant: \xed\xa0\x80"}', r"not JSON \('utf-8' codec"),
        (b'["Human: Hm?"]', "expected an object with named values, found list"),
        (b'{"text": ', "not JSON"),
    ],
)
def test_a_line_that_is_no_row_is_named(line: bytes, problem: str, bench: Bench, tmp_path: Path) -> None:
    """Whatever trains on it; a whole pair of surrogates is a character like any other."""
    good = json.dumps({"text": "Human: Hm?\n\nAssistant: \U0001f600"}).encode()
    rows = tmp_path / "talks.jsonl"
    rows.write_bytes(b"\xef\xbb\xbf" + good + b"\n\n" + line + b"\n")
    read = workshop(tmp_path).rows(DatasetSpec(str(rows), 2, ""))
    assert next(read)["text"].endswith("\U0001f600")
    inputs = {"start": bench.base, "dialogues": DatasetSpec(str(rows), 2, "")}
    with pytest.raises(UserError, match=rf"talks\.jsonl, line 3: {problem}"):
        FineTune(FineTune.Config()).run(inputs, workshop(tmp_path / "node"))
    assert not (tmp_path / "node").exists()


def test_nothing_to_learn_from_is_refused(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to learn"):
        FineTune(FineTune.Config()).run({"start": bench.base, "prompt": bench.base}, workshop(tmp_path))


def test_rows_of_a_file_are_those_of_its_content(tmp_path: Path) -> None:
    file = tmp_path / "talks.jsonl"
    made = write_rows(file, [{"text": CONVERSATION}] * 2)
    check_trainer(Rows, {"file": str(file)})
    trainer = Rows(Rows.Config(file=str(file)))
    assert trainer.run({}, workshop(tmp_path)) == made
    assert trainer.alternatives() == ({"file": str(file), "sha256": made.sha256},)
    write_rows(file, [{"text": CONVERSATION}])
    assert Rows.Config(file=str(file)).sha256 != made.sha256
    with pytest.raises(ValidationError, match="another sha256"):
        Rows.Config(file=str(file), sha256=made.sha256)
    with pytest.raises(UserError, match="check the path"):
        Rows.Config(file=str(tmp_path / "none"))
