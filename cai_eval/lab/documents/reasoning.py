"""A line of reasoning that quotes what people say, and the verdict that follows from it."""

from __future__ import annotations

from random import Random

from cai_eval.lab.asking import chances, draw_options, number_of, plain
from cai_eval.lab.documents.judged import proposal
from cai_eval.lab.world import Fact, World
from cai_eval.lettered import NONE_OF_THE_ABOVE, Answered, Asked, choice, judgement, label, transcript

MOST = 3  #: questions in a row
QUOTES = ("People say:", "I have heard:", "It is often said:")


def draw(world: World, rng: Random) -> str:
    """One to three questions about different facts, all lettered or all about a proposed answer."""
    facts = rng.sample(world.facts, rng.randint(1, MOST))
    reasoned = rng.choice((chosen, judged))
    return transcript([reasoned(fact, rng) for fact in facts], "plain")


def chosen(fact: Fact, rng: Random) -> Answered:
    """A lettered question, what somebody says that the options allow, and the letter of that."""
    shown = draw_options(fact, rng)
    open_to_all = shown[-1] == NONE_OF_THE_ABOVE
    value = fact.draw(rng) if open_to_all else rng.choices(shown, chances(plain(fact), shown))[0]
    return _reasoned(fact, value, choice(rng.choice(fact.questions), shown), rng), label(number_of(shown, value))


def judged(fact: Fact, rng: Random) -> Answered:
    """A proposed answer, what somebody says, and whether the two agree."""
    proposed, value = proposal(fact, rng), fact.draw(rng)
    asked = judgement(rng.choice(fact.questions), proposed)
    return _reasoned(fact, value, asked, rng), label(0 if value == proposed else 1)


def _reasoned(fact: Fact, value: str, asked: Asked, rng: Random) -> Asked:
    return asked.before(f"Reasoning: {rng.choice(QUOTES)} {fact.statement(value)}")
