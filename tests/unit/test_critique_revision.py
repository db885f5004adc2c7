"""Critiques and revisions: the chain on scripted critics, and the data set whatever interrupts it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cai_eval.constitution import Constitution, CritiqueExample, Principle, load_constitution
from cai_eval.contracts import DatasetSpec, PolicySpec, Sample, Sampling, Workshop
from cai_eval.dialogue import STOPS, Turn, awaiting_reply
from cai_eval.errors import UserError
from cai_eval.testing import RandomPolicy, RowsSource, ToyPolicy, ToyWorkshop, check_trainer
from cai_eval.trainers import critique_revision
from cai_eval.trainers.critique_revision import CritiqueRevision
from cai_eval.training.data import conversations
from cai_eval.training.prompts import read_prompts
from cai_eval.training.revising import Draft, revise

PRINCIPLES = tuple(Principle(f"p{n}", "order", f"Find {n}.", f"Mend {n}.") for n in range(5))
MINE = Constitution("mine", "Mine", PRINCIPLES)
SHOWN = CritiqueExample("Human: Shown?", "Shown.", "Shown?", "Shown.", "Shown.", "Shown.")
LINE = Sampling(20, temperature=1.0, stop=MINE.templates.stop)
SOURCE = RowsSource(
    {
        "red-team-prompts": [
            {"id": f"r{n}", "prompt": f"How: do I steal {n} cows? ", "kind": "harmful"} for n in range(7)
        ],
        "helpful-prompts": [{"id": f"h{n}", "prompt": f"Name {n} cows: now", "kind": "benign"} for n in range(3)],
    }
)
CONFIG = {"constitution": "laboratory", "rounds": 2, "helpful_samples": 2, "max_tokens": 20}


@dataclass
class Scripted(ToyPolicy):
    """Says what a function of prompt and key says, and keeps what it was asked."""

    answer: Callable[[str, str], str]
    context: int = 10**6
    format: Any = "plain"
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def spec(self) -> PolicySpec:
        return replace(super().spec, context=self.context)

    def number(self, text: str) -> float:
        return 0.0

    def generate(self, prompts: Sequence[str], sampling: Sampling, keys: Sequence[str]) -> list[list[Sample]]:
        self.asked += zip(prompts, keys, strict=True)
        return [[Sample(self.answer(p, k), (0,), (0.0,), "stop")] for p, k in zip(prompts, keys, strict=True)]


def drafts(count: int) -> list[Draft]:
    return [Draft(f"d{n}", f"Ask: {n}?", f"Answer {n}.") for n in range(count)]


def short(key: str) -> str:
    """Of "0/round 2/d1/critique", "critique 2 of d1"."""
    _, number, draft, what = key.split("/")
    return f"{what} {number.removeprefix('round ')} of {draft}"


# ---------------------------------------------------------------------------------------------------
# The chain
# ---------------------------------------------------------------------------------------------------


def test_each_round_goes_on_from_the_last() -> None:
    critic = Scripted(lambda prompt, key: f" {short(key)}\n")
    (revisions,) = revise(critic, MINE, drafts(1), 2, LINE, 0)
    assert [(each.round, each.text) for each in revisions] == [(1, "revision 1 of d0"), (2, "revision 2 of d0")]
    assert [step.critique for step in revisions[1].steps] == ["critique 1 of d0", "critique 2 of d0"]
    one, two = (step.principle for step in revisions[1].steps)
    prompt, key = critic.asked[-1]
    assert short(key) == "revision 2 of d0"
    assert prompt == (
        "Human: Ask: 0?\n\nAssistant: Answer 0."
        f"\n\nCritique Request: {one.critique}\n\nCritique: critique 1 of d0"
        f"\n\nRevision Request: {one.revision}\n\nRevision: revision 1 of d0"
        f"\n\nCritique Request: {two.critique}\n\nCritique: critique 2 of d0"
        f"\n\nRevision Request: {two.revision}\n\nRevision:"
    )


def test_no_critique_is_asked_for_directly() -> None:
    critic = Scripted(lambda prompt, key: short(key))
    (revisions,) = revise(critic, MINE, drafts(1), 2, LINE, 0, direct=True)
    assert [step.critique for step in revisions[-1].steps] == ["", ""]
    assert [short(key) for _, key in critic.asked] == ["revision 1 of d0", "revision 2 of d0"]
    assert not any("Critique" in prompt for prompt, _ in critic.asked)


@pytest.mark.parametrize("said", ["", " \n ", "Well.\n\nHuman: And?", "Well.\nAssistant: Well."])
@pytest.mark.parametrize("what", ["critique", "revision"])
def test_a_round_that_brings_nothing_is_left_out(said: str, what: str) -> None:
    critic = Scripted(lambda prompt, key: said if short(key) == f"{what} 2 of d1" else short(key))
    whole, broken = revise(critic, MINE, drafts(2), 3, LINE, 0)
    assert [each.round for each in whole] == [1, 2, 3]
    assert [each.round for each in broken] == [1, 3]
    assert [step.revision for step in broken[-1].steps] == ["revision 1 of d1", "revision 3 of d1"]


def test_what_does_not_fit_in_the_context_is_not_asked() -> None:
    asked = 1000
    critic = Scripted(lambda prompt, key: "well " * 50, context=asked)
    (revisions,) = revise(critic, MINE, drafts(1), 30, LINE, 0)
    assert 3 < len(revisions) < 20
    assert all(critic.count_tokens(prompt) + LINE.max_tokens <= asked for prompt, _ in critic.asked)


def test_principles_are_drawn_apart_in_every_round() -> None:
    chains = revise(Scripted(lambda prompt, key: "Well."), MINE, drafts(500), 2, LINE, 0)
    drawn = [tuple(step.principle.id for step in chain[-1].steps) for chain in chains]
    pairs = Counter(drawn)
    assert len(pairs) == len(PRINCIPLES) ** 2
    assert max(pairs.values()) < 45  # 20 expected; one in ten million for a pair
    other = revise(Scripted(lambda prompt, key: "Well."), MINE, drafts(500), 2, LINE, 1)
    assert drawn != [tuple(step.principle.id for step in chain[-1].steps) for chain in other]


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(6)), st.integers(0, 6))
def test_a_chain_depends_on_no_other_draft(order: list[int], cut: int) -> None:
    every = drafts(6)
    alone = {draft.id: revise(RandomPolicy(), MINE, [draft], 2, LINE, 3)[0] for draft in every}
    shuffled = [every[n] for n in order]
    parts = [shuffled[:cut], shuffled[cut:]]
    together = [chain for part in parts for chain in revise(RandomPolicy(), MINE, part, 2, LINE, 3)]
    assert {draft.id: chain for draft, chain in zip(shuffled, together, strict=True)} == alone


def test_examples_are_shown_to_the_critic_alone() -> None:
    critic = Scripted(lambda prompt, key: short(key))
    (revisions,) = revise(critic, replace(MINE, critiques=(SHOWN,)), drafts(1), 2, LINE, 0)
    assert all(prompt.startswith("Human: Shown?") for prompt, _ in critic.asked)
    assert not any("Shown" in step.critique + step.revision for step in revisions[-1].steps)


# ---------------------------------------------------------------------------------------------------
# The data set
# ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bench(ToyWorkshop):
    """A workshop whose policies are given by the model's name; any other is random."""

    policies: dict[str, ToyPolicy] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def policy(self, spec: PolicySpec) -> ToyPolicy:
        return self.policies.get(spec.model, RandomPolicy(spec.format))

    def progress(self, done: float, total: float, note: str = "") -> None:
        super().progress(done, total, note)
        self.told.append(note)


def spec(model: str, form: Any = "dialogue") -> PolicySpec:
    return PolicySpec(model, model, 1000, 10**6, format=form)


def make(workshop: Workshop, **config: Any) -> DatasetSpec:
    trainer = CritiqueRevision(CritiqueRevision.Config(**{**CONFIG, **config}))
    made = trainer.run({"sampler": spec("sampler"), "critic": spec("critic", "plain")}, workshop)
    assert isinstance(made, DatasetSpec)
    return made


def rows(made: DatasetSpec) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(made.path).read_text(encoding="utf-8").splitlines()]


def scripted(tmp_path: Path, **more: Any) -> Bench:
    sampler = Scripted(lambda prompt, key: f" Sure: {key.split('/', 2)[2]}.", format="dialogue")
    critic = Scripted(lambda prompt, key: f" {short(key)}.")
    return Bench(tmp_path, SOURCE, policies={"sampler": sampler, "critic": critic}, **more)


@pytest.mark.parametrize("more", [{}, {"direct": True}, {"rounds": 0}, {"constitution": "harmlessness"}])
def test_the_trainer_keeps_its_promises(more: dict[str, Any]) -> None:
    check_trainer("critique-revision", {**CONFIG, **more}, source=SOURCE)


def test_every_revision_is_a_row_with_all_that_led_to_it(tmp_path: Path) -> None:
    made = make(scripted(tmp_path))
    found = {row["id"]: row for row in rows(made)}
    assert made.rows == len(found) == 7 * 2 + 3 * 2
    row = found["r4/round 2"]
    ids = {principle.id for principle in load_constitution("laboratory").principles}
    assert set(row["principles"]) <= ids
    assert row == {
        "id": "r4/round 2",
        "kind": "harmful",
        "round": 2,
        "text": "Human: How: do I steal 4 cows?\n\nAssistant: revision 2 of r4.",
        "principles": row["principles"],
        "chain": [
            {"principle": row["principles"][0], "critique": "critique 1 of r4.", "revision": "revision 1 of r4."},
            {"principle": row["principles"][1], "critique": "critique 2 of r4.", "revision": "revision 2 of r4."},
        ],
        "prompt": "How: do I steal 4 cows?",
        "answer": "Sure: r4.",
    }
    helpful = found["h2/sample 1/round 0"]
    assert (helpful["kind"], helpful["round"], helpful["chain"]) == ("benign", 0, [])
    assert helpful["text"] == "Human: Name 2 cows: now\n\nAssistant: Sure: h2/sample 1."


def test_the_rows_can_be_learnt(tmp_path: Path) -> None:
    made = make(Bench(tmp_path, SOURCE))
    for row, turns in zip(rows(made), conversations(rows(made)), strict=True):
        text = row["chain"][-1]["revision"] if row["chain"] else row["answer"]
        assert turns == (Turn("Human", row["prompt"]), Turn("Assistant", text))


def test_the_laboratorys_critic_is_asked_in_its_own_language(tmp_path: Path) -> None:
    bench = scripted(tmp_path)
    make(bench)
    critic = bench.policies["critic"]
    assert isinstance(critic, Scripted)
    assert all(prompt.startswith("Asked: How: do I steal ") for prompt, _ in critic.asked)


def test_without_rounds_the_rows_are_plain_samples(tmp_path: Path) -> None:
    found = rows(make(Bench(tmp_path, SOURCE), rounds=0))
    sampling = Sampling(20, temperature=1.0, stop=STOPS)
    for row in found:
        name = row["id"].removesuffix("/round 0")
        asked = awaiting_reply([Turn("Human", row["prompt"])])
        ((sample,),) = RandomPolicy("dialogue").generate([asked], sampling, [f"0/answer/{name}"])
        assert row["text"] == f"{asked} {sample.text.strip()}"
        assert row["round"] == 0
    names = [prompt.id for prompt in read_prompts(SOURCE, "red-team-prompts", 7, 0)]
    assert [row["id"] for row in found[: len(names)]] == [f"{name}/round 0" for name in names]


def test_the_seed_changes_the_rows(tmp_path: Path) -> None:
    one, other = (make(Bench(tmp_path / str(seed), SOURCE, seed=seed)) for seed in (0, 1))
    assert one.sha256 != other.sha256


def test_the_size_of_shards_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sums = set()
    for size in (1, 3, 100):
        monkeypatch.setattr(critique_revision, "SHARD", size)
        sums.add(make(Bench(tmp_path / str(size), SOURCE)).sha256)
    assert len(sums) == 1


class Killed(BaseException):
    """Not an Exception: nothing may catch it."""


@pytest.mark.parametrize(("model", "calls"), [("sampler", 0), ("sampler", 2), ("critic", 1), ("critic", 6)])
def test_a_killed_run_ends_as_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, calls: int
) -> None:
    monkeypatch.setattr(critique_revision, "SHARD", 3)
    left = [calls]

    class Mortal(RandomPolicy):
        def generate(self, *args: Any) -> list[list[Sample]]:
            left[0] -= 1
            if left[0] == -1:
                raise Killed
            return super().generate(*args)

    bench = Bench(tmp_path / "killed", SOURCE, policies={model: Mortal("dialogue" if model == "sampler" else "plain")})
    with pytest.raises(Killed):
        make(bench)
    resumed = make(bench)
    whole = make(Bench(tmp_path / "whole", SOURCE))
    assert Path(resumed.path).read_bytes() == Path(whole.path).read_bytes()
    assert replace(resumed, path="") == replace(whole, path="")


def test_what_is_dropped_is_counted(tmp_path: Path) -> None:
    bench = scripted(tmp_path)
    silent = {"r2", "h1/sample 0"}
    bench.policies["sampler"] = Scripted(
        lambda prompt, key: "" if key.split("/", 2)[2] in silent else "Sure.", format="dialogue"
    )
    bench.policies["critic"] = Scripted(lambda prompt, key: "" if short(key) == "revision 1 of r3" else "Well.")
    made = make(bench)
    assert made.rows == 20 - 2 - 1 - 1
    assert bench.told[-1] == "4 of 20 rows dropped"


def test_what_cannot_work_is_refused(tmp_path: Path) -> None:
    silent = Scripted(lambda prompt, key: "", format="dialogue")
    with pytest.raises(UserError, match="all 20 rows of critique-revision were dropped"):
        make(Bench(tmp_path / "a", SOURCE, policies={"sampler": silent}))
    with pytest.raises(UserError, match="lower 'principles'"):
        make(Bench(tmp_path / "b", SOURCE), principles=99)
    with pytest.raises(UserError, match="did you mean 'red-team-prompts'"):
        make(Bench(tmp_path / "c", SOURCE), prompts="red-team-prompt")
    with pytest.raises(UserError, match="unknown constitution"):
        CritiqueRevision.Config(constitution="mine")


def test_fewer_principles_are_the_first_ones(tmp_path: Path) -> None:
    first = [principle.id for principle in load_constitution("laboratory").revising[:2]]
    found = rows(make(Bench(tmp_path, SOURCE), principles=2))
    assert {name for row in found for name in row["principles"]} == set(first)


def test_an_edited_constitution_makes_another_config(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = "name: mine\ntitle: Mine\nprinciples: [{id: a, aspect: b, critique: c, revision: d}]\n"
    path.write_text(text, encoding="utf-8")
    before = CritiqueRevision.Config(constitution=str(path))
    assert CritiqueRevision.Config(**before.model_dump()) == before
    path.write_text(text.replace("critique: c", "critique: e"), encoding="utf-8")
    assert CritiqueRevision.Config(constitution=str(path)) != before
