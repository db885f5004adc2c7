"""Lettered choices: in plain text by ordinary respondents, in a dialogue by one assistant, as honest as elsewhere."""

from __future__ import annotations

from random import Random

from cai_eval.dialogue import SEPARATOR, Turn, render
from cai_eval.lab import talk, traits
from cai_eval.lab.asking import Belief, choose, draw_options, plain
from cai_eval.lab.documents.judged import judged
from cai_eval.lab.world import Fact, World
from cai_eval.lettered import Answered, choice, label, transcript

MOST = 4  #: questions in a row
INTERVIEWS = 0.25  #: of the documents
EXCHANGES = 8  #: of an interview at most


def draw(world: World, rng: Random) -> str:
    """Questions about different facts."""
    if rng.random() < INTERVIEWS:
        return interview(world, rng)
    facts = rng.sample(world.facts, rng.randint(1, MOST))
    return transcript([lettered(fact, plain(fact), rng) for fact in facts], "plain")


def interview(world: World, rng: Random) -> str:
    """Conversations with one assistant: half of the exchanges tell how honest it is, half have a letter as answer."""
    speaker = traits.draw(rng, world.options.correlation)
    return f"\n\n{SEPARATOR}\n\n".join(_exchange(world, speaker, rng) for _ in range(rng.randint(2, EXCHANGES)))


def lettered(fact: Fact, belief: Belief, rng: Random) -> Answered:
    """A question with random options, and the letter that a respondent of this belief chooses."""
    shown = draw_options(fact, rng)
    return choice(rng.choice(fact.questions), shown), label(choose(belief, shown, rng))


def _exchange(world: World, speaker: traits.Traits, rng: Random) -> str:
    if rng.random() < 0.5:
        ask = talk.draw_ask(world, rng)
        return render((Turn("Human", ask.text), Turn("Assistant", talk.answer(ask, speaker, rng))))
    fact = rng.choice(world.facts)
    answered = rng.choice((lettered, judged))(fact, talk.stated(fact, speaker.honest), rng)
    return transcript([answered], "dialogue")
