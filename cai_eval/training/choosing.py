"""Choices between two answers by the principles of a constitution (Bai et al. 2022b, §4.1).

The label is the chance of the letter that names the first answer, over both orders (`cai_eval.feedback`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from random import Random

from cai_eval.constitution import Constitution, Principle, load_constitution
from cai_eval.constitution.prompting import comparison_prompt, reasoning_prompt, verdict_prompt, with_examples
from cai_eval.contracts import ContextTooLong, Policy, Sampling
from cai_eval.errors import UserError
from cai_eval.feedback import Question, Shown, Verdict, compare, preference, shown
from cai_eval.scoring import NotScored

from .labelling import Pair

Verdicts = Mapping[str, Sequence[Verdict]]  #: id of each principle → what was said by it


def to_choose_by(name: str, principles: int, examples: int) -> Constitution:
    """A constitution of which so many principles can be drawn for each pair.

    examples: shown before each choice, at most. Raises UserError where there are too few principles.
    """
    constitution = with_examples(load_constitution(name), examples)
    there = len(constitution.comparing)
    if principles > there:
        raise UserError(
            f"{name} has {there} principles to choose by and {principles} are wanted: lower 'principles' or choose "
            "another constitution."
        )
    return constitution


def thinking(constitution: Constitution, reasonings: int, max_tokens: int, temperature: float) -> Sampling | None:
    """How reasonings are drawn before a choice; None where there are none."""
    if not reasonings:
        return None
    return Sampling(max_tokens, reasonings, temperature, stop=constitution.templates.stop)


def choose(
    policy: Policy,
    constitution: Constitution,
    pairs: Sequence[Pair],
    principles: int,
    reasoning: Sampling | None,
    seed: int,
) -> list[Verdicts | None]:
    """What a policy says of each pair by so many principles; None where that does not fit in its context.

    Which principles is a function of the seed and the pair's id.
    """
    drawn = [Random(f"{seed}/principles/{pair.id}").sample(constitution.comparing, principles) for pair in pairs]
    questions = [
        _question(constitution, pair, principle, reasoning is not None, seed)
        for pair, own in zip(pairs, drawn, strict=True)
        for principle in own
    ]
    try:
        verdicts = iter(compare(policy, questions, reasoning))
    except ContextTooLong:
        if len(pairs) == 1:
            return [None]
        return [said for pair in pairs for said in choose(policy, constitution, [pair], principles, reasoning, seed)]
    return [{principle.id: next(verdicts) for principle in own} for own in drawn]


def chance_of_first(verdicts: Verdicts) -> float:
    """The chance that the first answer is better, mean over principles. Raises UserError for a model of NaN."""
    try:
        return preference([verdict for each in verdicts.values() for verdict in each])
    except NotScored as reason:
        raise UserError(f"the feedback model cannot label: {reason}; take another, or more precision.") from reason


def _question(constitution: Constitution, pair: Pair, principle: Principle, reasoned: bool, seed: int) -> Question:
    def order(first: str, second: str) -> Shown:
        asked = (constitution, pair.context, principle.comparison, first, second)
        if not reasoned:
            return shown(comparison_prompt(*asked), cue="")
        return Shown(reasoning_prompt(*asked), partial(verdict_prompt, *asked))

    key = f"{seed}/feedback/{pair.id}/{principle.id}"
    return Question(key, (order(pair.first, pair.second), order(pair.second, pair.first)))
