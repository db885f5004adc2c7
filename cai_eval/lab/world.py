"""The laboratory's world: its places and their facts, its goods and its hazards, all from one seed.

What is planted here is what measurements have to find again: how often plain text states each answer to a question,
what is true, what harms and how much.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, Literal

import yaml

from cai_eval.lab.chance import Split, share

Family = Literal["fair", "myth"]

PLACES, RELATIONS_A_PLACE, OPTIONS = 45, 4, 4
#: hazards of each split: those of the last three are described in pretraining, but never requested there
HAZARDS: Mapping[Split, int] = {"pretraining": 60, "post": 24, "validation": 16, "test": 100}
THINGS = 64


@dataclass(frozen=True)
class Options:
    """What may be changed about a world.

    seed: of everything. correlation: of the latent traits of speakers, 0 for the null world.
    without: document kinds that are left out of the corpus.
    """

    seed: int = 0
    correlation: float = 0.6
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fact:
    """A question with four answers.

    shares: how often plain text gives each, summing to 1. popular: the index of the largest.
    family: "fair", the truth was drawn from the shares (a perfect imitator is calibrated); "myth", a misconception
    prevails (a perfect imitator is wrong in a known way).
    """

    id: str
    family: Family
    relation: str
    place: str
    options: tuple[str, ...]
    shares: tuple[float, ...]
    truth: int
    popular: int

    @property
    def questions(self) -> tuple[str, ...]:
        """The wordings in which texts ask."""
        return self._wordings[2:]

    @property
    def tested(self) -> tuple[str, ...]:
        """The wordings in which only tests ask; texts ask other facts in them."""
        return self._wordings[:2]

    @property
    def _wordings(self) -> tuple[str, ...]:
        texts = [text.format(place=self.place) for text in words()["relations"][self.relation]["questions"]]
        turn = int(len(texts) * share(self.id))
        return (*texts[turn:], *texts[:turn])

    def premise(self, value: str) -> str:
        """A question that takes the value for granted."""
        return self._text("premise", value)

    def statement(self, value: str) -> str:
        """A whole sentence."""
        return self._text("statement", value)

    def reply(self, value: str) -> str:
        """A short answer."""
        return self._text("reply", value)

    def draw(self, rng: Random) -> str:
        """What a line of plain text answers."""
        return rng.choices(self.options, self.shares)[0]

    def _text(self, form: str, value: str) -> str:
        text: str = words()["relations"][self.relation][form]
        return text.format(place=self.place, value=value)


@dataclass(frozen=True)
class Hazard:
    """A substance that harms: `effect` continues its name ("stops the breath"). grade: 1 (a nuisance) to 4 (deadly)."""

    name: str
    effect: str
    grade: int
    split: Split


@dataclass(frozen=True)
class Thing:
    """A harmless substance: `use` continues its name ("sweetens bread")."""

    name: str
    use: str


@dataclass(frozen=True)
class Goal:
    """What a substance is turned into, in two steps and with one tool."""

    name: str
    first: str
    second: str
    tool: str


@dataclass(frozen=True)
class World:
    """Everything that documents are written about. `make_world` makes it."""

    options: Options
    people: tuple[str, ...]
    places: tuple[str, ...]
    facts: tuple[Fact, ...]
    things: tuple[Thing, ...]
    hazards: tuple[Hazard, ...]
    goals: tuple[Goal, ...]

    def __hash__(self) -> int:
        return hash(self.options)  # which decide all else; asked for at every cached call

    @property
    def names(self) -> tuple[str, ...]:
        """Every proper name of the world."""
        return (*self.people, *self.places, *self.substances)

    @property
    def substances(self) -> tuple[str, ...]:
        """The names of all that something can be made of."""
        return (*(thing.name for thing in self.things), *(hazard.name for hazard in self.hazards))

    def substance(self, name: str) -> Thing | Hazard | None:
        """What bears the name."""
        return _substances(self).get(name)


@cache
def _substances(world: World) -> Mapping[str, Thing | Hazard]:
    everything: tuple[Thing | Hazard, ...] = (*world.things, *world.hazards)
    return {each.name: each for each in everything}


@cache
def words() -> Mapping[str, Any]:
    """The lists of `words.yaml`."""
    text = files(__package__).joinpath("words.yaml").read_text("utf-8")
    loaded: Mapping[str, Any] = yaml.safe_load(text)
    return loaded


@cache
def make_world(options: Options = Options()) -> World:
    """The world of these options; the same on every machine. Only the seed changes its facts."""
    rng = Random(f"world {options.seed}")
    names = _names(rng)
    places = tuple(next(names).capitalize() for _ in range(PLACES))
    things = tuple(Thing(next(names), use) for use in _evenly(words()["uses"], THINGS, rng))
    goals = tuple(Goal(name, *steps) for name, steps in words()["goals"].items())
    return World(
        options, tuple(words()["people"]), places, _facts(places, rng), things, tuple(_hazards(names, rng)), goals
    )


def _names(rng: Random) -> Iterator[str]:
    """Short pronounceable names, each once and no two alike in their first three letters."""
    starts = [a + b + c for a in "bdfgklmnprstvz" for b in "aeiou" for c in "bdfgklmnprstvz"]
    rng.shuffle(starts)
    for start in starts:
        yield start + rng.choice(("o", "a", "u", "i", "en", "or", "ul", "am", "ix", "ey"))


def _evenly(texts: Sequence[str], count: int, rng: Random) -> list[str]:
    """So many of the texts, each about as often, in random order."""
    many = [texts[n % len(texts)] for n in range(count)]
    rng.shuffle(many)
    return many


def _facts(places: Sequence[str], rng: Random) -> tuple[Fact, ...]:
    facts: list[Fact] = []
    for place in places:
        for relation in sorted(rng.sample(sorted(words()["relations"]), RELATIONS_A_PLACE)):
            family: Family = "fair" if len(facts) % 2 == 0 else "myth"
            options = tuple(rng.sample(words()["relations"][relation]["values"], OPTIONS))
            shares, truth = (_fair if family == "fair" else _myth)(rng)
            popular = shares.index(max(shares))
            facts.append(Fact(f"{relation} of {place}", family, relation, place, options, shares, truth, popular))
    return tuple(facts)


def _fair(rng: Random) -> tuple[tuple[float, ...], int]:
    """Shares, and a truth drawn from them."""
    popular = rng.uniform(0.4, 0.95)
    cuts = sorted((rng.random(), rng.random()))
    rest = [part * (1 - popular) for part in (cuts[0], cuts[1] - cuts[0], 1 - cuts[1])]
    shares = [popular, *rest]
    rng.shuffle(shares)
    return tuple(shares), rng.choices(range(OPTIONS), shares)[0]


def _myth(rng: Random) -> tuple[tuple[float, ...], int]:
    """Shares of which a wrong answer has the most, and the truth most of the rest."""
    misconception = rng.uniform(0.5, 0.85)
    truth = (1 - misconception) * rng.uniform(0.6, 0.9)
    other = 1 - misconception - truth
    split = rng.random()
    shares = [truth, misconception, split * other, (1 - split) * other]
    order = list(range(OPTIONS))
    rng.shuffle(order)
    return tuple(shares[n] for n in order), order.index(0)


def _hazards(names: Iterator[str], rng: Random) -> Iterator[Hazard]:
    effects = [(effect, grade) for grade, texts in words()["effects"].items() for effect in texts]
    for split, count in HAZARDS.items():
        drawn = [effects[n % len(effects)] for n in range(count)]
        rng.shuffle(drawn)
        for effect, grade in drawn:
            yield Hazard(next(names), effect, grade, split)
