"""Rungs on the shelf: published in half precision, unpacked on first use, refused where they were changed."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from cai_eval.errors import UserError
from cai_eval.lab import shipped
from cai_eval.lab.recipe import Shape
from cai_eval.lab.shipped import Facts, checksum, describe, publish, save, unpack
from cai_eval.lab.tokenizer import learn
from cai_eval.models import ladder
from cai_eval.models.fingerprint import fingerprint
from cai_eval.models.ladder import load_ladder
from cai_eval.models.loading import load_model, load_tokenizer

SHAPES = {"2k": Shape(16, 1, 1, 32, rate=1), "9k": Shape(32, 1, 2, 64, rate=1)}
MODELS = [("2k", 0), ("2k", 1), ("9k", 0)]
TOKENIZER = learn(["some words to learn from, again some words"], entries=300).to_str()
MARK = hashlib.sha256(TOKENIZER.encode()).hexdigest()


def build(directory: Path, rung: str, seed: int) -> None:
    config = SHAPES[rung].config()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(Qwen3Config(**config))
    facts = Facts(rung, seed, tokens=1000, loss=2.5 - seed, recipe="r", corpus="c", tokenizer=MARK)
    save(model.state_dict(), config, facts, TOKENIZER, directory / shipped.name_of(rung, seed) / "model")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    for rung, seed in MODELS:
        build(tmp_path / "built", rung, seed)
    return tmp_path / "built"


@pytest.fixture
def shelf(tmp_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A published ladder, and a cache, both of its own."""
    (tmp_path / "ladders").mkdir()
    monkeypatch.setattr(shipped, "SHELF", tmp_path / "shelf")
    monkeypatch.setattr(ladder, "_folder", lambda: tmp_path / "ladders")
    monkeypatch.setenv("CAI_EVAL_CACHE", str(tmp_path / "cache"))
    publish(built)
    return tmp_path / "shelf"


def test_the_ladders_say_what_lies_on_the_shelf(shelf: Path) -> None:
    all_, first = load_ladder("lab-seeds"), load_ladder("lab")
    assert [rung.model for rung in all_.rungs] == ["lab/2k", "lab/2k-seed1", "lab/9k"]
    assert [rung.model for rung in first.rungs] == ["lab/2k", "lab/9k"]
    assert all_.source == first.source == "lab"
    for rung in all_.rungs:
        assert rung.origin.sha256 == checksum(shelf / f"{rung.label}.safetensors")
        assert (rung.origin.tokens, rung.origin.loss, rung.context) == (1000, 2.5 - rung.origin.seed, 2048)
    attention, mlp, norms = 4 * 16 * 16, 3 * 16 * 32, 3 * 16 + 2 * 16
    assert all_.rungs[0].parameters == attention + mlp + norms


def test_an_unpacked_rung_is_the_one_that_was_built(built: Path, shelf: Path) -> None:
    for rung, seed in MODELS:
        name = shipped.name_of(rung, seed)
        directory = unpack(f"lab/{name}")
        ours, theirs = load_model(str(directory)), load_model(str(built / name / "model"))
        for weight, original in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert weight.dtype == torch.float32
            assert torch.equal(weight, original.half().float())
        assert load_tokenizer(str(directory)).encode("some words") == load_tokenizer(
            str(built / name / "model")
        ).encode("some words")
        assert load_tokenizer(str(directory)).eos_token_id == ours.config.eos_token_id == 0
    assert len({fingerprint(str(unpack(f"lab/{shipped.name_of(*each)}"))) for each in MODELS}) == 3


def test_the_same_weights_are_the_same_bytes(built: Path, shelf: Path) -> None:
    marks = set()
    for _ in range(8):
        publish(built)
        marks.add(checksum(shelf / "2k.safetensors"))
    assert len(marks) == 1


def test_the_embedding_is_stored_once(shelf: Path) -> None:
    config, facts = describe(shelf / "2k.safetensors")
    weights = 2 * (2048 * 16 + 4 * 16 * 16 + 3 * 16 * 32 + 3 * 16)
    assert (shelf / "2k.safetensors").stat().st_size == pytest.approx(weights, abs=2000)
    assert (config, facts.rung, facts.seed) == (SHAPES["2k"].config(), "2k", 0)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("harm", [flip, cut, Path.unlink])
@pytest.mark.parametrize("unpacked", [False, True])
def test_changed_weights_are_refused_in_a_sentence(shelf: Path, harm: Callable[[Path], None], unpacked: bool) -> None:
    if unpacked:
        unpack("lab/2k")
    harm(shelf / "2k.safetensors")
    with pytest.raises(UserError, match=r"2k\.safetensors is missing, truncated or changed: install cai-eval again\.$"):
        unpack("lab/2k")
    unpack("lab/9k")


@pytest.mark.parametrize("harm", [flip, cut, Path.unlink])
def test_so_are_copies_in_the_cache_and_their_mend_works(shelf: Path, harm: Callable[[Path], None]) -> None:
    directory = unpack("lab/2k")
    harm(directory / "model.safetensors")
    with pytest.raises(UserError, match=f"delete {directory}"):
        unpack("lab/2k")
    shutil.rmtree(directory)
    assert unpack("lab/2k") == directory


def test_another_tokenizer_is_refused(shelf: Path) -> None:
    cut(shelf / "tokenizer.json")
    with pytest.raises(UserError, match="is not the tokenizer of 'lab/2k'"):
        unpack("lab/2k")


def test_unknown_names_are_refused(shelf: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'lab/2k'"):
        unpack("lab/2x")


def test_a_new_ladder_takes_the_place_of_the_old_one(built: Path, shelf: Path) -> None:
    shutil.rmtree(built / "2k-seed1")
    publish(built)
    assert sorted(path.name for path in shelf.iterdir()) == ["2k.safetensors", "9k.safetensors", "tokenizer.json"]
    assert len(load_ladder("lab-seeds").rungs) == 2


def test_what_is_too_large_or_of_two_corpora_leaves_the_shelf_as_it_was(
    built: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = {path: checksum(path) for path in shelf.iterdir()}
    monkeypatch.setattr(shipped, "LIMIT", 1000)
    with pytest.raises(UserError, match="bytes of 1,000"):
        publish(built)
    with pytest.raises(UserError, match="does not hold models"):
        publish(tmp_path / "nothing")
    flip(built / "9k/model/tokenizer.json")
    with pytest.raises(UserError, match="models of one tokenizer"):
        publish(built)
    shutil.rmtree(built / "9k")
    cut(built / "2k/model/model.safetensors")
    with pytest.raises(UserError, match="or a damaged one"):
        publish(built)
    shutil.rmtree(built / "2k")
    with pytest.raises(UserError, match="lacks seed 0 of 2k: build it first"):
        publish(built)
    assert {path: checksum(path) for path in shelf.iterdir()} == before


def test_a_cache_that_cannot_be_written_to_is_a_sentence(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("kept")
    monkeypatch.setenv("CAI_EVAL_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="2k cannot be written to"):
        unpack("lab/2k")
    assert (tmp_path / "file").read_text() == "kept"
