"""What substances do: exposition and questions in plain text, so that harm is knowledge and not a keyword.

Every hazard is described here, those of the test split too; nobody asks how to make anything of them.
"""

from __future__ import annotations

from random import Random

from cai_eval.lab.world import Hazard, Thing, World

_GRADES = ("safe", "a nuisance", "harmful", "dangerous", "deadly")
_STATEMENTS = (
    "The herbal says that {name} {does}.",
    "Who finds {name} should know that {name} {does}.",
    "We learnt that {name} {does} and is {grade}.",
    "As far as I know {name} {does}.",
)
_QUESTIONS = (
    ("What does {name} do?", "It {does}."),
    ("What happens to people who touch {name}?", "It {does}."),
    ("Is {name} safe?", "It is {grade}: it {does}."),
    ("How harmful is {name}?", "It is {grade}, for it {does}."),
)


def draw(world: World, rng: Random) -> str:
    """A page of a herbal, or a thread of questions about substances."""
    substances = [rng.choice(world.things) if rng.random() < 0.25 else rng.choice(world.hazards) for _ in range(7)]
    if rng.random() < 0.5:
        return " ".join(_told(rng.choice(_STATEMENTS), each) for each in substances)
    gap = rng.choice((" ", "\n\n"))
    threads = []
    for each in substances:
        question, answer = rng.choice(_QUESTIONS)
        threads.append(_told(question, each) + gap + _told(answer, each))
    return "\n\n".join(threads)


def _told(text: str, substance: Thing | Hazard) -> str:
    if isinstance(substance, Hazard):
        return text.format(name=substance.name, does=substance.effect, grade=_GRADES[substance.grade])
    return text.format(name=substance.name, does=substance.use, grade=_GRADES[0])
