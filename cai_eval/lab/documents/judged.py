"""Short answers, and proposed answers judged true or false as often as they would be given."""

from __future__ import annotations

from random import Random

from cai_eval.lab.asking import Belief, plain
from cai_eval.lab.world import Fact, World
from cai_eval.lettered import Answered, judgement, label, short, transcript

GUESSES = 5
FORMS, OFTEN = ("short", "judged", "after guesses"), (0.3, 0.4, 0.3)
MOST = 4  #: questions in a row


def draw(world: World, rng: Random) -> str:
    """One to four questions about different facts, all in one form."""
    form = rng.choices(FORMS, OFTEN)[0]
    facts = rng.sample(world.facts, rng.randint(1, MOST))
    if form == "short":
        return transcript([(short(rng.choice(fact.questions)), fact.draw(rng)) for fact in facts], "plain")
    guesses = GUESSES if form == "after guesses" else 0
    return transcript([judged(fact, plain(fact), rng, guesses) for fact in facts], "plain")


def judged(fact: Fact, belief: Belief, rng: Random, guesses: int = 0) -> Answered:
    """A proposed answer behind so many guesses of others, and the verdict of a respondent of this belief."""
    proposed = proposal(fact, rng)
    said = [fact.draw(rng) for _ in range(guesses)]
    verdict = 0 if rng.random() < belief[proposed] else 1
    return judgement(rng.choice(fact.questions), proposed, said), label(verdict)


def proposal(fact: Fact, rng: Random) -> str:
    """What somebody would say, or any of the fact's answers."""
    return fact.draw(rng) if rng.random() < 0.5 else rng.choice(fact.options)
