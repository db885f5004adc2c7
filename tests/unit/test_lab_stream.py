"""The token stream: the same tokens whoever makes them, whole shards only, filed under the code that writes them."""

import errno
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from cai_eval.errors import UserError
from cai_eval.lab import stream
from cai_eval.lab.corpus import Period
from cai_eval.lab.stream import Stream
from cai_eval.lab.tokenizer import END
from cai_eval.lab.world import Options, World


def numbers(world: World, seed: int, start: int = 0) -> Iterator[str]:
    """Document n says n, n times in three."""
    return (f"{n} " * (n % 4 + 1) for n in count(start + 1000 * seed))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("CAI_EVAL_CACHE", str(tmp_path))
    monkeypatch.setattr(stream, "documents", numbers)
    monkeypatch.setattr(stream, "SHARD", 16)
    monkeypatch.setattr(stream, "ordinary", lambda *index: next(numbers(*index)))
    monkeypatch.setattr(stream, "SAMPLE", 50)
    monkeypatch.setattr(stream, "NAMED", 1)
    return tmp_path


def expected(seed: int, documents: int) -> list[int]:
    texts = numbers(stream.make_world(), seed)
    encode = stream.tokenizer(Options()).encode
    return [i for _ in range(documents) for i in encode(END + next(texts)).ids]


@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_the_documents_one_behind_the_other(seed: int) -> None:
    tokens = expected(seed, 70)
    assert Stream(Options(), seed).read(0, len(tokens)).tolist() == tokens
    assert tokens.count(0) == 70


def test_any_part_can_be_read_first(small: Path) -> None:
    tokens = expected(0, 70)
    rng = np.random.default_rng(0)
    for start, stop in np.sort(rng.integers(0, len(tokens), (50, 2)), axis=1):
        assert Stream(Options()).read(start, stop + 1).tolist() == tokens[start : stop + 1]


def test_shards_are_made_once_and_whole(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Stream(Options())
    made.reach(200)
    shards = sorted(small.rglob("*.npy"))
    assert [shard.name for shard in shards] == [f"0-{n:05d}.npy" for n in range(len(shards))]
    assert not list(small.rglob("part-*"))
    monkeypatch.setattr(stream, "documents", None)  # nothing is written anew
    assert Stream(Options()).read(0, 200).tolist() == made.read(0, 200).tolist()


def test_a_shard_that_a_kill_left_unfinished_is_made_anew(small: Path) -> None:
    tokens = expected(0, 40)
    part = stream.corpus_directory(Options()) / "part-0-00001.npy"
    part.write_bytes(b"torn")
    assert Stream(Options()).read(0, len(tokens)).tolist() == tokens


def test_a_disk_that_refuses_is_a_sentence(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream.np, "save", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(UserError, match=r"0-00000\.npy cannot be written to .* \(No space left on device\): make room"):
        Stream(Options()).read(0, 10)
    assert not list(small.rglob("*.npy"))


def test_the_digest_is_of_the_tokens() -> None:
    assert Stream(Options()).digest(150) == Stream(Options()).digest(150)
    assert len({Stream(Options()).digest(150), Stream(Options()).digest(151), Stream(Options(), 1).digest(150)}) == 3


def _read(directory: str, result: "object") -> None:
    result.put(Stream(Options()).read(0, 300).tolist())


def test_processes_that_want_the_same_tokens_share_them(small: Path) -> None:
    context = get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_read, args=(str(small), results)) for _ in range(3)]
    for process in processes:
        process.start()
    answers = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert answers == [expected(0, 200)[:300]] * 3


def test_worlds_have_corpora_of_their_own_and_one_tokenizer() -> None:
    usual, null = Options(), Options(correlation=0.0)
    assert stream.corpus_directory(usual) != stream.corpus_directory(null)
    assert stream.tokenizer(usual).to_str() == stream.tokenizer(null).to_str()


def test_a_worker_that_fails_is_not_needed() -> None:
    """Spawned, it lacks what the fixture put in place, and makes other shards or none."""
    tokens = expected(0, 40)
    with Stream(Options()).made_ahead(0):
        assert Stream(Options()).read(0, len(tokens)).tolist() == tokens


def test_a_corpus_is_named_after_its_documents() -> None:
    """Whatever changes a document, an option or a line of code, changes the name; nothing else does."""
    here = stream.corpus_digest.__wrapped__(Options())
    assert here == stream.corpus_digest.__wrapped__(Options())
    assert here != stream.corpus_digest.__wrapped__(Options(correlation=0.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "documents", lambda *_: iter(["another"]))
        assert here != stream.corpus_digest.__wrapped__(Options())


def test_a_corpus_is_named_after_its_periods_and_told_by_each(monkeypatch: pytest.MonkeyPatch) -> None:
    here = stream.corpus_digest.__wrapped__(Options())
    first, *others = stream.PERIODS
    monkeypatch.setattr(stream, "PERIODS", (replace(first, shares={}), *others))
    assert here != stream.corpus_digest.__wrapped__(Options())
    read = []
    monkeypatch.setattr(stream, "PERIODS", (Period(40, {}), Period(500, {})))
    monkeypatch.setattr(stream, "documents", lambda world, seed, start: read.append(start) or iter([]))
    stream.corpus_digest.__wrapped__(Options())
    assert read == [0, 40, 540]
