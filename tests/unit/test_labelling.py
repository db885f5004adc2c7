"""Labels of a policy's own answers: by a judge with noise, by a model under principles, or by people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import hh_rlhf
import pytest

from cai_eval.contracts import JSON, ContextTooLong, Request, Sample, Sampling, Scored
from cai_eval.data import PublishedSource
from cai_eval.errors import UserError
from cai_eval.feedback import LETTERS
from cai_eval.judging import HARM_ALONE, utility
from cai_eval.lab.source import LaboratorySource
from cai_eval.testing import RowsSource, check_trainer
from cai_eval.testing.toys import RandomPolicy, ToyWorkshop
from cai_eval.trainers.ai_feedback import AIFeedback
from cai_eval.trainers.preference_labels import PreferenceLabels
from cai_eval.training.comparisons import read_comparisons
from cai_eval.training.labelling import APART, NO_TURN, SAME, TOO_LONG, UNLABELLED

PROMPTS = [
    {"id": f"prompt {i}", "prompt": f"How do I make {i}?", "kind": "harmful", "cluster": "c"} for i in range(150)
]
ANSWERS = ("I will not help.", "Chop it.", "Steep it, then chop it.", "mumble")
GRADES: Mapping[str, tuple[float, float]] = {  # harm, garbled
    ANSWERS[0]: (0.0, 0.0),
    ANSWERS[1]: (2.0, 0.0),
    ANSWERS[2]: (3.0, 0.0),
    ANSWERS[3]: (0.0, 1.0),
}


@dataclass(frozen=True)
class JudgingSource(RowsSource):
    """Knows the harm of `ANSWERS`."""

    data: Mapping[str, Sequence[Mapping[str, JSON]]] = field(
        default_factory=lambda: {"red-team-prompts": PROMPTS, "helpful-prompts": PROMPTS}
    )

    def judge(self, prompt: str, answer: str) -> Mapping[str, float] | None:
        harm, garbled = GRADES[answer]
        return {"helpful": harm / 3, "honest": 0.0, "harm": harm, "evasive": float(harm == 0), "garbled": garbled}


class Sampler(RandomPolicy):
    """Says one of `said`, as the key's hash wants; likes the less harmful answer by three nats, and (A) by five."""

    def __init__(self, said: Sequence[str] = ANSWERS) -> None:
        super().__init__()
        self.said = said
        self.keys: list[str] = []

    def generate(self, prompts: Sequence[str], sampling: Sampling, keys: Sequence[str]) -> list[list[Sample]]:
        self.keys += keys
        return [
            [Sample(f" {self._answer(f'{key}/{i}')}", (0,), (0.0,), "stop") for i in range(sampling.samples)]
            for key in keys
        ]

    def score(self, requests: Sequence[Request]) -> list[Scored]:
        return [Scored((self._liking(request),), False) for request in requests]

    def _answer(self, key: str) -> str:
        return self.said[int(1000 * math.exp(self.number(key))) % len(self.said)]

    def _liking(self, request: Request) -> float:
        letter = request.continuation.strip()
        (line,) = [line for line in request.context.split("\n") if line.endswith(letter)]
        answer = line.removeprefix("- ").removesuffix(f" {letter}")
        return -GRADES.get(answer, (0.0, 0.0))[0] + 5.0 * (letter == LETTERS[0])


@dataclass(frozen=True)
class Workshop(ToyWorkshop):
    """Lends one policy."""

    live: Any = field(default_factory=Sampler)
    notes: list[str] = field(default_factory=list)

    def policy(self, spec: Any) -> Any:
        return self.live

    def progress(self, done: float, total: float, note: str = "") -> None:
        super().progress(done, total, note)
        self.notes.append(note)


SPEC = Sampler().spec


def preference_labels(workshop: ToyWorkshop, **config: Any) -> list[dict[str, Any]]:
    trainer = PreferenceLabels(PreferenceLabels.Config(**{"care": "harmlessness", **config}))
    return list(workshop.rows(trainer.run({"sampler": SPEC}, workshop)))


def ai_feedback(workshop: ToyWorkshop, **config: Any) -> list[dict[str, Any]]:
    trainer = AIFeedback(AIFeedback.Config(**{"constitution": "laboratory", **config}))
    return list(workshop.rows(trainer.run({"sampler": SPEC, "feedback": SPEC}, workshop)))


def summary(workshop: ToyWorkshop) -> dict[str, Any]:
    return json.loads((workshop.directory / "labels.json").read_text())


@pytest.mark.parametrize("label", [preference_labels, ai_feedback])
def test_rows_are_comparisons_that_a_preference_model_reads(tmp_path, label):
    rows = label(Workshop(tmp_path, JudgingSource()))
    assert rows
    for row, comparison in zip(rows, read_comparisons(rows), strict=True):
        assert comparison.prompt == f"Human: How do I make {comparison.id.split()[1].partition('/')[0]}?\n\nAssistant:"
        assert {comparison.first, comparison.second} <= set(ANSWERS)
        assert (comparison.kind, comparison.by) == ("harmless", row["by"])
    assert len({row["id"] for row in rows}) == len(rows)


@pytest.mark.parametrize("label", [preference_labels, ai_feedback])
def test_equal_answers_are_drawn_again_and_then_dropped_and_counted(tmp_path, label):
    sampler = Sampler()
    workshop = Workshop(tmp_path, JudgingSource(), live=sampler)
    rows = label(workshop)
    said = summary(workshop)
    assert all(row["first"] != row["second"] for row in rows)
    assert said["dropped"] == {SAME: len(PROMPTS) - len(rows)}
    assert 0 < len(PROMPTS) - len(rows) < 30  # one in four is equal at first, one in sixteen after the second draw
    assert said["by"] == {rows[0]["by"]: len(rows)}
    again = [key for key in sampler.keys if "another pair" in key]
    assert len(again) == len(set(again)) > said["dropped"][SAME]
    assert any(f"{len(PROMPTS) - len(rows)} of 150 pairs dropped" in note for note in workshop.notes)
    assert not said["collapsed"]


@pytest.mark.parametrize("label", [preference_labels, ai_feedback])
def test_a_collapsed_sampler_is_reported(tmp_path, label):
    class Collapsed(Sampler):
        def _answer(self, key: str) -> str:
            return super()._answer(key) if "prompt 1/" in key or "prompt 2/" in key else ANSWERS[0]

    workshop = Workshop(tmp_path / "most", JudgingSource(), live=Collapsed(ANSWERS[:3]))
    with pytest.warns(UserWarning, match="collapsed"):
        assert len(label(workshop)) in (1, 2)
    assert summary(workshop)["collapsed"]
    assert any("collapsed" in note for note in workshop.notes)
    with pytest.raises(UserError, match="no pair of answers"):
        label(Workshop(tmp_path / "all", JudgingSource(), live=Sampler(["I will not help."])))


@pytest.mark.parametrize("label", [preference_labels, ai_feedback])
def test_what_cannot_be_compared_is_dropped_and_counted(tmp_path, label):
    said = ("", "Chop it.", "I will.\n\nHuman: no", *ANSWERS)

    class Narrow(Sampler):
        @property
        def spec(self):
            from dataclasses import replace

            return replace(super().spec, context=300)

        def count_tokens(self, text: str) -> int:
            return 100 if "make 7?" in text else 1

    workshop = Workshop(tmp_path, JudgingSource(), live=Narrow(said))
    rows = label(workshop, max_tokens=256)
    dropped = summary(workshop)["dropped"]
    assert dropped[TOO_LONG] == 1
    assert dropped[NO_TURN] > 10
    assert sum(dropped.values()) + len(rows) == len(PROMPTS)
    assert read_comparisons(rows)


@pytest.mark.parametrize("label", [preference_labels, ai_feedback])
def test_a_row_depends_on_nothing_but_seed_and_id(tmp_path, label):
    few = label(Workshop(tmp_path / "few", JudgingSource()), count=40)
    many = label(Workshop(tmp_path / "many", JudgingSource()), pairs=2)
    by_id = {row["id"]: row for row in many}
    assert [by_id[row["id"]] for row in few] == few
    other = label(Workshop(tmp_path / "other", JudgingSource(), seed=1), count=40)
    assert {row["id"] for row in other} != {row["id"] for row in few}


class Killed(BaseException):
    """Not an Exception: nothing may catch it."""


@pytest.mark.parametrize("label", [preference_labels, ai_feedback])
@pytest.mark.parametrize("fatal", range(1, 6))
def test_a_killed_run_ends_as_an_undisturbed_one(tmp_path, label, fatal):
    """150 prompts are three shards of pairs and three of labels."""
    calls = 0

    class Mortal(Workshop):
        def progress(self, done: float, total: float, note: str = "") -> None:
            nonlocal calls
            calls += 1
            if calls == fatal:
                raise Killed

    with pytest.raises(Killed):
        label(Mortal(tmp_path / "killed", JudgingSource()))
    killed, whole = Workshop(tmp_path / "killed", JudgingSource()), Workshop(tmp_path / "whole", JudgingSource())
    assert label(killed) == label(whole)
    assert summary(killed) == summary(whole)
    contents = [sorted((p.name, p.read_bytes()) for p in w.directory.rglob("*.jsonl")) for w in (killed, whole)]
    assert contents[0] == contents[1]


# ---------------------------------------------------------------------------------------------------
# A judge with noise
# ---------------------------------------------------------------------------------------------------


def test_labels_are_hard_and_garbled_answers_never_win(tmp_path):
    rows = preference_labels(Workshop(tmp_path, JudgingSource()), temperature=5.0, pairs=4)
    assert {row["label"] for row in rows} == {0.0, 1.0}
    garbled = [row for row in rows if "mumble" in (row["first"], row["second"])]
    assert len(garbled) > 50
    assert all((row["second"] == "mumble") == (row["label"] == 1) for row in garbled)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_the_noise_has_its_temperature(tmp_path, temperature):
    rows = preference_labels(Workshop(tmp_path, JudgingSource()), temperature=temperature, pairs=8)
    pairs = [(row, {row["first"], row["second"]}) for row in rows]
    close = [row for row, both in pairs if both == {ANSWERS[1], ANSWERS[2]}]  # grades 2 and 3: utilities −2 and −3
    right = sum((row["first"] == ANSWERS[1]) == (row["label"] == 1) for row in close) / len(close)
    expected = 1 / (1 + math.exp(-1 / temperature))
    assert right == pytest.approx(expected, abs=3.5 * math.sqrt(expected * (1 - expected) / len(close)))


def test_harmlessness_is_harm_alone_and_helpfulness_is_not(tmp_path):
    harmless = preference_labels(Workshop(tmp_path / "harmless", JudgingSource()), temperature=0.01)
    helpful = preference_labels(Workshop(tmp_path / "helpful", JudgingSource()), temperature=0.01, care="helpfulness")
    assert all(row["utilities"] == [utility_of(row["first"]), utility_of(row["second"])] for row in harmless)
    for rows, sign in ((harmless, -1), (helpful, 1)):
        clear = [row for row in rows if "mumble" not in (row["first"], row["second"])]
        harms = [(GRADES[row["first"]][0], GRADES[row["second"]][0], row["label"]) for row in clear]
        assert all((label == 1) == (sign * first > sign * second) for first, second, label in harms)
    assert {row["kind"] for row in helpful} == {"helpful"}


def utility_of(answer: str) -> float:
    grades = JudgingSource().judge("", answer)
    assert grades is not None
    return utility(grades, HARM_ALONE)


def test_the_laboratory_judges_its_own_prompts(tmp_path):
    said = ("I will not help you.", "I cannot say.", "Hm.", "No.")
    workshop = Workshop(tmp_path, LaboratorySource(), live=Sampler(said))
    for care in ("helpfulness", "harmlessness"):
        assert preference_labels(Workshop(tmp_path / care, LaboratorySource(), live=workshop.live), care=care, count=30)


def test_a_source_without_a_judge_needs_published_choices(tmp_path):
    source = RowsSource({"red-team-prompts": PROMPTS})
    with pytest.raises(UserError, match="nobody knows how good"):
        preference_labels(Workshop(tmp_path, source))
    with pytest.raises(UserError, match="input 'sampler'"):
        PreferenceLabels(PreferenceLabels.Config(care="harmlessness")).run({}, Workshop(tmp_path, source))


def test_published_choices_are_taken_as_they_are(tmp_path):
    rows = [hh_rlhf.row(f"q{i}", better="good", worse="good" if i % 4 == 3 else "bad") for i in range(40)]
    other = [{**row, "rejected": "\n\nHuman: Another?\n\nAssistant: bad"} for row in rows]
    workshop = Workshop(tmp_path, RowsSource({"red-team-prompts": [*rows, *other]}))
    labelled = preference_labels(workshop, count=4, pairs=3)
    same, apart = (summary(workshop)["dropped"][why] for why in (SAME, APART))
    assert 0 < same <= 10 < apart <= 40
    assert summary(workshop) == {
        "pairs": 12 + same + apart,
        "rows": 12,
        "by": {"human": 12},
        "dropped": {SAME: same, APART: apart},
        "collapsed": False,
    }
    assert all((row["first"], row["second"], row["label"]) == ("good", "bad", 1.0) for row in labelled)


def test_a_published_row_with_one_side_missing_is_named(tmp_path):
    rows = [hh_rlhf.row(f"q{i}", better="good", worse="bad") for i in range(40)]
    for row in rows[5:]:
        del row["rejected"]
    with pytest.raises(UserError, match=r"^the comparison about 'q\d+': 'rejected' is missing or empty"):
        preference_labels(Workshop(tmp_path, RowsSource({"red-team-prompts": rows})))


@pytest.mark.parametrize(("care", "verb"), [("harmlessness", "break"), ("helpfulness", "bake")])
def test_people_are_believed_in_what_they_were_asked_alone(tmp_path, care, verb):
    workshop = Workshop(tmp_path / "made", PublishedSource(hh_rlhf.save(tmp_path / "hh-rlhf")))
    rows = preference_labels(workshop, care=care, prompts="validation-prompts")
    assert rows
    assert all(verb in row["prompt"] for row in rows)
    with pytest.raises(UserError, match="no published comparison of helpfulness"):
        preference_labels(workshop, care="helpfulness", prompts="red-team-prompts")


# ---------------------------------------------------------------------------------------------------
# A model under principles
# ---------------------------------------------------------------------------------------------------


def test_a_model_that_expects_no_letter_is_warned_of(tmp_path):
    class Silent(Sampler):
        def score(self, requests):
            return [Scored((each.total - 9,), False) for each in super().score(requests)]

    workshop = Workshop(tmp_path / "silent", JudgingSource(), live=Silent())
    with pytest.warns(UserWarning, match="the feedback model gives both letters together"):
        rows = ai_feedback(workshop)
    middle = median(row["letters"] for row in rows)
    assert middle < 0.1
    assert summary(workshop)["letters"]["median"] == pytest.approx(middle)
    assert any("does not know the form" in note for note in workshop.notes)


def test_labels_are_soft_and_do_not_feel_the_liking_for_a_letter(tmp_path):
    for row in ai_feedback(Workshop(tmp_path, JudgingSource())):
        nats = GRADES[row["second"]][0] - GRADES[row["first"]][0]
        assert row["label"] == row["chance"] == pytest.approx(1 / (1 + math.exp(-nats)))
        ((verdict,),) = row["verdicts"].values()
        (a, b), (swapped_a, swapped_b) = verdict["logprobs"]
        assert a - b == pytest.approx(5 + nats)
        assert swapped_a - swapped_b == pytest.approx(5 - nats)


def test_each_pair_keeps_the_principle_that_was_drawn_for_it(tmp_path):
    rows = ai_feedback(Workshop(tmp_path / "one", JudgingSource()))
    assert all(list(row["verdicts"]) == [row["principle"]] for row in rows)
    assert len({row["principle"] for row in rows}) > 10
    several = ai_feedback(Workshop(tmp_path / "three", JudgingSource()), principles=3, count=10)
    assert all(row["principle"].split(", ") == list(row["verdicts"]) for row in several)
    assert all(len(set(row["verdicts"])) == 3 for row in several)
    with pytest.raises(UserError, match="lower 'principles'"):
        ai_feedback(Workshop(tmp_path / "many", JudgingSource()), principles=1000)


def test_labels_after_thought_are_clamped(tmp_path):
    rows = ai_feedback(Workshop(tmp_path / "thought", JudgingSource()), reasonings=2)
    assert all(0.4 <= row["label"] <= 0.6 for row in rows)
    assert any(row["chance"] > 0.6 for row in rows)
    assert all(row["label"] == min(max(row["chance"], 0.4), 0.6) for row in rows)
    ((*verdicts,),) = rows[0]["verdicts"].values()
    assert len(verdicts) == 2
    assert all(all(text.strip() in ANSWERS for text in verdict["reasonings"]) for verdict in verdicts)
    wide = ai_feedback(Workshop(tmp_path / "wide", JudgingSource()), reasonings=1, clamp=0.2)
    assert any(row["label"] == 0.8 for row in wide)


def test_a_pair_too_long_for_the_labeller_costs_that_pair(tmp_path):
    class Narrow(Sampler):
        def score(self, requests: Sequence[Request]) -> list[Scored]:
            if any("make 7?" in request.context for request in requests):
                raise ContextTooLong("too long")
            return super().score(requests)

    workshop = Workshop(tmp_path / "narrow", JudgingSource(), live=Narrow(ANSWERS[:3]))
    whole = Workshop(tmp_path / "whole", JudgingSource(), live=Sampler(ANSWERS[:3]))
    assert ai_feedback(workshop) == [row for row in ai_feedback(whole) if "prompt 7/" not in row["id"]]
    assert summary(workshop)["dropped"][UNLABELLED] == 1


def test_a_model_that_computes_nan_labels_nothing(tmp_path):
    class Broken(Sampler):
        def score(self, requests: Sequence[Request]) -> list[Scored]:
            return [Scored((math.nan,), False) for _ in requests]

    with pytest.raises(UserError, match="cannot label"):
        ai_feedback(Workshop(tmp_path, JudgingSource(), live=Broken()))
    assert not list(tmp_path.glob("*.jsonl"))


def test_a_disk_that_refuses_is_a_sentence(tmp_path):
    (tmp_path / "labels.json").mkdir()  # as a full disk, it cannot be written
    with pytest.raises(UserError, match=r"labels\.json cannot be written"):
        ai_feedback(Workshop(tmp_path, JudgingSource()), count=4)


def test_they_keep_the_promises_of_a_trainer():
    def workshop(path: Path, source: Any) -> Workshop:
        return Workshop(path, source)

    for config in ({}, {"care": "harmlessness"}):
        check_trainer("preference-labels", config, source=JudgingSource(), workshop=workshop)
    for config in ({"constitution": "laboratory"}, {"constitution": "laboratory", "reasonings": 2}):
        check_trainer("ai-feedback", config, source=JudgingSource(), workshop=workshop)
