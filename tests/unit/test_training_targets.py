"""The teacher's predictions: what they are, and what is kept of them on disk."""

import copy
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import TEXT, save_model

from cai_eval.contracts import Prefix
from cai_eval.errors import UserError
from cai_eval.inference.logprobs import Engine
from cai_eval.models.loading import load_model, load_tokenizer
from cai_eval.prefixes import make_prefix
from cai_eval.testing.toys import byte_tokenizer
from cai_eval.training import targets
from cai_eval.training.data import make_batches
from cai_eval.training.loop import train
from cai_eval.training.objectives import causal_lm, context_distillation, exact_distillation
from cai_eval.training.optimisation import Optimisation
from cai_eval.training.targets import Targets, passage_batch, record
from cai_eval.training.teacher import Distribution, Passage, Teacher, pair

TEXTS = [
    "Human: Why does bread rise?\n\nAssistant: Yeast makes gas.",
    "The ferry leaves at nine.",
    "Human: Who holds it?\n\nAssistant: The dough.",
    " A clock ticked.",
]
PROMPT = TEXT[:300]
CONTEXTS = (512, 512)


class Study:
    """A tiny model with predictions far from uniform, its tokenizer and a prompt."""

    def __init__(self, directory: Path) -> None:
        name = save_model(directory)
        self.model = load_model(name, device="cpu")
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.mul_(8 if parameter.ndim == 2 else 1)
        self.tokenizer = load_tokenizer(name)
        self.prefix = make_prefix(self.tokenizer, PROMPT, "")
        self.engine = Engine(self.model)

    def passages(self, prefix: Prefix, lead: str = "") -> tuple[tuple[int, ...], list[Passage]]:
        texts = [(text, lead + text) for text in TEXTS]
        return pair((self.tokenizer, self.tokenizer), prefix, texts, CONTEXTS, tokens=100)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study(tmp_path_factory.mktemp("tiny"))


# ---------------------------------------------------------------------------------------------------
# Passages and teacher
# ---------------------------------------------------------------------------------------------------


def test_both_read_the_same_tokens_behind_different_beginnings(study: Study) -> None:
    head, passages = study.passages(study.prefix, "Human: ")
    for passage, text in zip(passages, TEXTS, strict=True):
        assert study.tokenizer.decode((*head, *passage.teacher)) == f"{PROMPT}\n\nHuman: {text}"
        assert study.tokenizer.decode(passage.student) == text
        assert passage.student[-passage.shared :] == passage.teacher[-passage.shared :]
        assert len(passage.student) - passage.shared in (1, 2)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("lead", ["", "Human: "])
def test_a_teacher_predicts_what_the_whole_text_does(study: Study, shared: bool, lead: str) -> None:
    head, passages = study.passages(study.prefix, lead)
    engine = Engine(study.model)
    assert engine.notice == ""
    engine.notice = "" if shared else "not here"
    found = Teacher(engine, head, 400).top(passages, 5)
    wanted = []
    for passage in passages:
        with torch.no_grad():
            logits = study.model(torch.tensor([[*head, *passage.teacher]])).logits[0]
        wanted.append(logits.log_softmax(-1)[-passage.shared - 1 : -1])
    logprobs = torch.cat(wanted)
    torch.testing.assert_close(found.logprobs, logprobs.topk(5).values, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(logprobs.gather(-1, found.indices), found.logprobs, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.tail.exp() + found.logprobs.exp().sum(-1), torch.ones(len(logprobs)))


def test_long_texts_are_cut_at_the_end_of_both(study: Study) -> None:
    _, whole = study.passages(study.prefix, "Human: ")
    texts = [(text, "Human: " + text) for text in TEXTS]
    tokenizers = (study.tokenizer, study.tokenizer)
    head, by_tokens = pair(tokenizers, study.prefix, texts, CONTEXTS, tokens=6)
    room = len(head) + max(len(passage.teacher) for passage in whole) - 3
    _, by_context = pair(tokenizers, study.prefix, texts, (512, room), tokens=100)
    for cut in (by_tokens, by_context):
        assert len(cut) == len(whole)
        for short, long in zip(cut, whole, strict=True):
            assert long.student[: len(short.student)] == short.student
            assert long.teacher[: len(short.teacher)] == short.teacher
            assert short.student[-short.shared :] == short.teacher[-short.shared :]
            assert long.shared - short.shared == len(long.student) - len(short.student)
    assert max(len(passage.student) for passage in by_tokens) == 6
    assert max(len(head) + len(passage.teacher) for passage in by_context) == room


def test_two_vocabularies_are_refused(study: Study) -> None:
    with pytest.raises(UserError, match="different tokenizers"):
        pair((study.tokenizer, byte_tokenizer()), study.prefix, [("a b", "a b")], CONTEXTS, 100)


def test_a_prompt_longer_than_the_context_is_refused(study: Study) -> None:
    with pytest.raises(UserError, match="leaves no room"):
        pair((study.tokenizer, study.tokenizer), study.prefix, [("a b", "a b")], (512, 50), 100)


@pytest.mark.parametrize("texts", [[], [("", "")]])
def test_an_empty_corpus_is_refused(study: Study, texts: list[tuple[str, str]]) -> None:
    with pytest.raises(UserError, match="no text"):
        pair((study.tokenizer, study.tokenizer), study.prefix, texts, CONTEXTS, 100)


# ---------------------------------------------------------------------------------------------------
# Cached targets
# ---------------------------------------------------------------------------------------------------


class Counting:
    """A teacher that counts its passages, and dies before the one of a number."""

    def __init__(self, teacher: Teacher, dies_at: int | None = None) -> None:
        self.teacher, self.dies_at, self.count = teacher, dies_at, 0

    def __call__(self, passages: Sequence[Passage], k: int) -> Distribution:
        self.count += len(passages)
        if self.dies_at is not None and self.count > self.dies_at:
            raise KeyboardInterrupt
        return self.teacher.top(passages, k)


@pytest.fixture
def cache(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Targets of all texts in shards of one passage and of three; `open(dies_at)` gives them and their teacher."""
    head, passages = study.passages(study.prefix)

    def open_(shard: int = 1, dies_at: int | None = None, k: int = 8) -> tuple[Targets, Counting]:
        monkeypatch.setattr(targets, "PASSAGES", shard)
        counting = Counting(Teacher(study.engine, head, 400), dies_at)
        return Targets(tmp_path, passages, "teacher", k, study.model.config.vocab_size, counting), counting

    return open_


def assert_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_a_batch_holds_its_passages_targets_in_order(study: Study, cache: Any) -> None:
    head, passages = study.passages(study.prefix)
    chosen = [2, 0, 3]
    batch = cache(shard=3)[0].batch(chosen)
    wanted = Teacher(study.engine, head, 400).top([passages[i] for i in chosen], 8)
    torch.testing.assert_close(batch["teacher_indices"], wanted.indices)
    torch.testing.assert_close(batch["teacher_logprobs"], wanted.logprobs, rtol=2e-3, atol=2e-3)
    mass = batch["teacher_logprobs"].exp().sum(-1) + batch["teacher_tail"].exp()
    torch.testing.assert_close(mass, torch.ones_like(mass))
    assert int(batch["targets"].sum()) == len(wanted.tail)
    assert causal_lm(study.model, batch)[1] == context_distillation(study.model, batch)[1] == len(wanted.tail)


def test_nothing_is_computed_twice_after_a_kill(cache: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        cache(dies_at=2)
    resumed, teacher = cache()
    assert teacher.count == 2
    again, teacher = cache()
    assert teacher.count == 0
    assert_same(again.batch([0, 1, 2, 3]), resumed.batch([0, 1, 2, 3]))


def test_a_damaged_shard_is_computed_anew(cache: Any, tmp_path: Path) -> None:
    before = cache()[0].batch([0, 1, 2, 3])
    shard = sorted(tmp_path.rglob("*.npy"))[1]
    content = bytearray(shard.read_bytes())
    content[-3] ^= 64
    shard.write_bytes(content)
    mended, teacher = cache()
    assert teacher.count == 1
    assert_same(mended.batch([0, 1, 2, 3]), before)
    assert len(list(tmp_path.rglob("*.npy"))) == 4


def test_what_is_not_a_number_is_not_kept(study: Study, tmp_path: Path) -> None:
    broken = copy.deepcopy(study.model)
    torch.nn.init.constant_(broken.get_input_embeddings().weight, torch.nan)
    head, passages = study.passages(study.prefix)
    teacher = Teacher(Engine(broken), head, 400)
    with pytest.raises(UserError, match="predictions are not numbers"):
        Targets(tmp_path, passages, "broken", 8, 400, teacher.top)
    assert not list(tmp_path.rglob("*.npy"))


def test_other_settings_have_shards_of_their_own(cache: Any) -> None:
    cache(k=8)
    assert cache(k=4)[1].count == 4
    assert cache(k=8)[1].count == 0


@pytest.mark.parametrize(("vocabulary", "bytes_"), [(2048, 204), (50257, 204), (151_936, 304)])
def test_a_token_takes_few_bytes(vocabulary: int, bytes_: int) -> None:
    assert record(50, vocabulary).itemsize == bytes_ <= 320


def test_with_an_empty_prompt_there_is_nothing_to_distil(study: Study, tmp_path: Path) -> None:
    head, passages = study.passages(Prefix())
    assert head == ()
    teacher = Teacher(study.engine, head, 400)
    cached = Targets(tmp_path, passages, "teacher", 50, study.model.config.vocab_size, teacher.top).batch([0, 1, 2, 3])
    loss, count = context_distillation(study.model, cached)
    assert loss.item() / count < 1e-5
    exact = {**passage_batch(passages), "teacher_hidden": teacher.hidden(passages)}
    loss, count = exact_distillation(teacher.head)(study.model, exact)
    assert loss.item() / count < 1e-5


def test_behind_a_prompt_there_is(study: Study, cache: Any) -> None:
    head, passages = study.passages(study.prefix)
    loss, count = context_distillation(study.model, cache(k=50)[0].batch([0, 1, 2, 3]))
    teacher = Teacher(study.engine, head, 400)
    batch = {**passage_batch(passages), "teacher_hidden": teacher.hidden(passages)}
    exact, same = exact_distillation(teacher.head)(study.model, batch)
    assert count == same
    assert 0.01 < loss.item() / count < exact.item() / count


def test_what_is_distilled_holds_for_texts_that_were_not_seen(study: Study, tmp_path: Path) -> None:
    words = TEXT.split()
    texts = [" ".join(words[n : n + 8]) for n in range(30)]
    head, passages = pair((study.tokenizer, study.tokenizer), study.prefix, [(t, t) for t in texts], CONTEXTS, 100)
    teacher = Teacher(study.engine, head, 400)
    seen, unseen = passages[:24], passages[24:]
    held_out = {**passage_batch(unseen), "teacher_hidden": teacher.hidden(unseen)}

    def apart(student: Any) -> float:
        with torch.no_grad():
            loss, count = exact_distillation(teacher.head)(student, held_out)
        return loss.item() / count

    student = deepcopy(study.model)
    before = apart(student)
    cached = Targets(tmp_path, seen, "teacher", 50, 400, teacher.top)
    batches = make_batches([len(passage.student) for passage in seen], 8, 0, cached.batch)
    train(student, batches, context_distillation, Optimisation(60, 5e-3), tmp_path / "run", checkpoint_every=60)
    assert apart(student) < before / 2
