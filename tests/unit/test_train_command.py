"""`cai-eval train`: one node, stored where a second command finds it."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner
from tiny import save_model
from transformers import AutoModelForCausalLM

from cai_eval import registry
from cai_eval.cli.train import command
from cai_eval.contracts import Input
from cai_eval.errors import UserError
from cai_eval.models.loading import default_device, load_model
from cai_eval.testing import write_rows
from cai_eval.trainers.fine_tune import FineTune
from cai_eval.trainers.rows import Rows

TALK = {"text": "Human: Why does bread rise?\n\nAssistant: Yeast makes gas."}


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command on a tiny model, with `fine-tune` and `rows` at hand; gives what it prints."""
    plugins = {"fine-tune": FineTune, "rows": Rows}
    monkeypatch.setattr(registry, "load", lambda group, name: plugins[name])
    monkeypatch.setattr(registry, "names", lambda group: list(plugins))
    model = save_model(tmp_path / "model")
    write_rows(tmp_path / "talks.jsonl", [TALK] * 4)

    def run(*arguments: str) -> str:
        options = ["--start", model, "--out", str(tmp_path / "out"), "--device", "cpu", "--set", "rows=2"]
        done = CliRunner().invoke(command, ["fine-tune", *options, *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    return run


class Loading(FineTune):
    """Loads a model and trains nothing."""

    loaded: ClassVar[list[str]] = []

    def run(self, inputs: Any, workshop: Any) -> Any:
        self.loaded.append(load_model(inputs["start"].model).device.type)
        return inputs["start"]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_what_a_trainer_loads_lies_on_the_device_that_was_asked_for(
    device: str, train: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "load", lambda group, name: Loading)
    monkeypatch.setattr(Loading, "loaded", [])
    with default_device("meta" if device == "cpu" else "cpu"):
        train("--device", device, "--input", "prompt=base")
    assert Loading.loaded == [device]


def test_a_device_that_is_not_there_is_named(train: Any) -> None:
    with pytest.raises(UserError, match="there is no device 'warp' on this machine"):
        train("--device", "warp", "--input", "prompt=base")


def test_a_model_is_trained_once(train: Any, tmp_path: Path) -> None:
    arguments = ("--set", "steps=3", "--input", f"dialogues={tmp_path / 'talks.jsonl'}", "--input", "prompt=base")
    place = Path(train(*arguments))
    AutoModelForCausalLM.from_pretrained(place)
    written = (place / "model.safetensors").stat().st_mtime_ns
    assert train(*arguments) == str(place)
    assert (place / "model.safetensors").stat().st_mtime_ns == written
    write_rows(tmp_path / "talks.jsonl", [TALK] * 5)
    assert train(*arguments) != str(place)


def test_an_input_that_the_trainer_lacks_is_named(train: Any) -> None:
    with pytest.raises(UserError, match="unknown input 'dialogue': did you mean 'dialogues'"):
        train("--input", "dialogue=x")


def test_a_file_that_is_not_there_is_named(train: Any) -> None:
    with pytest.raises(UserError, match=r"there is no file 'talks\.jsonl' for the input 'dialogues'"):
        train("--input", "dialogues=talks.jsonl")


@pytest.mark.parametrize("damage", [b'{"text": "Human: a', b'{"text": "\xff"}', b"Human: a", b"7", b'["Human: a"]'])
def test_a_damaged_line_is_named_and_blank_ones_are_passed_over(damage: bytes, train: Any, tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    path.write_bytes(b"\n" + path.read_bytes() + b"\n")
    arguments = ("--set", "steps=1", "--input", f"dialogues={path}", "--input", "prompt=base")
    train(*arguments)
    path.write_bytes(path.read_bytes() + damage + b"\n")
    with pytest.raises(UserError, match=r"talks\.jsonl, line 7: (not JSON|expected an object)"):
        train(*arguments)


def test_a_file_is_found_at_home(train: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    train("--set", "steps=1", "--input", "dialogues=~/talks.jsonl", "--input", "prompt=base")


@pytest.mark.parametrize("value", ["[1", "a: b: c"])
def test_a_value_that_is_no_yaml_is_named(value: str) -> None:
    done = CliRunner().invoke(command, ["fine-tune", "--start", "x", "--set", f"steps={value}"])
    assert done.exit_code == 2
    assert f"{value!r} is no YAML" in done.output


def test_a_place_that_cannot_be_written_to_is_named(train: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot write to '.*talks\.jsonl' .*: choose another place"):
        train("--input", "prompt=base", "--out", str(tmp_path / "talks.jsonl"))


def test_an_input_without_a_default_must_be_named(train: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FineTune, "inputs", {**FineTune.inputs, "reward": Input("scorer", default=None)})
    with pytest.raises(UserError, match=r"needs input 'reward': name it .* --input reward="):
        train()


def test_a_window_of_one_token_is_refused(train: Any) -> None:
    with pytest.raises(UserError, match="'tokens' should be greater than or equal to 2"):
        train("--set", "tokens=1")
