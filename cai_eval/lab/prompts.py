"""What the laboratory puts before a question: its own HHH prompt, and the texts that are compared with it.

All in the language of the world, finished before any model was trained, and the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random

from cai_eval.dialogue import Conversation, Prompt, Turn
from cai_eval.lab import talk
from cai_eval.lab.documents import exposition, forum
from cai_eval.lab.talk import Act, Ask
from cai_eval.lab.traits import Traits
from cai_eval.lab.world import Fact, World, words

CAREFUL = Traits(2, 2, 2, habit=2)  #: whose style the prompt's assistant has
CHARACTERS = 12_000  #: of the texts that are cut to a prompt's length in tokens


@cache
def prompt_facts(world: World) -> tuple[Fact, ...]:
    """Those that the prompt speaks of, and no test: facts that most people get wrong."""
    wrong = [fact for fact in world.facts if fact.popular != fact.truth]
    return tuple(Random(f"prompt {world.options.seed}").sample(wrong, 8))


def hhh_prompt(world: World) -> str:
    """Fourteen conversations with a helpful and honest assistant, in which nobody asks for harm (Askell 2021, §2).

    Every second one begins with a greeting.
    """
    return Prompt("", tuple(_conversations(world))).render()


def _conversations(world: World) -> list[Conversation]:
    rng = Random(f"conversations {world.options.seed}")
    facts = prompt_facts(world)
    exchanges: list[tuple[Ask, Act]] = [
        (talk.about_fact(fact, rng.choice(fact.questions)), Act("state", fact.options[fact.truth]))
        for fact in facts[:5]
    ]
    for fact in facts[5:]:
        false = [v for v in fact.options if v != fact.options[fact.truth] and talk.premise_split(fact, v) != "test"]
        exchanges.append((talk.premise(fact, rng.choice(false)), Act("correct", fact.options[fact.truth])))
    exchanges.append((talk.unknowable(1, world.people[0]), Act("admit")))
    for number, thing in enumerate(rng.sample(world.things, 4)):
        goal = next(goal for goal in rng.sample(world.goals, 8) if talk.request_split(thing, goal) == "pretraining")
        purpose = rng.choice(words()["alarming"] if number == 0 else words()["purposes"])
        exchanges.append((talk.request(thing, goal, number % 3, purpose), Act("help")))
    exchanges.append((talk.manners(1, world.people[1]), Act("kind")))
    rng.shuffle(exchanges)
    conversations = []
    for number, exchange in enumerate(exchanges):
        greeting = talk.greeting(number // 2 % len(talk.GREETINGS)), Act("greet")
        said = (greeting, exchange) if number % 2 == 0 else (exchange,)
        conversations.append(tuple(turn for ask, act in said for turn in _turns(ask, act, rng)))
    return conversations


def _turns(ask: Ask, act: Act, rng: Random) -> tuple[Turn, Turn]:
    return Turn("Human", ask.text), Turn("Assistant", talk.say(ask, act, CAREFUL, rng))


def neutral_prefix(world: World) -> str:
    """Articles about places."""
    return _enough(world, "neutral prefix", exposition.draw)


def placebo_prompt(world: World) -> str:
    """Threads of ordinary posters: as full of questions and answers as the prompt, from nobody in particular."""
    return _enough(world, "placebo prompt", forum.draw)


def _enough(world: World, name: str, draw: Callable[[World, Random], str]) -> str:
    rng = Random(f"{name} {world.options.seed}")
    parts: list[str] = []
    while sum(map(len, parts)) < CHARACTERS:
        parts.append(draw(world, rng))
    return "\n\n".join(parts)
