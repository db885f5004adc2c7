"""What the laboratory's models read: the kinds of documents, their shares, and the stream they are drawn in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from random import Random

from cai_eval.errors import unknown
from cai_eval.lab.world import Options, World


@dataclass(frozen=True)
class Kind:
    """A kind of document.

    share: of the documents' characters. asked_by: what will ask in this format.
    """

    name: str
    share: float
    about: str
    asked_by: str

    @property
    def draw(self) -> Callable[[World, Random], str]:
        """Writes one document of it."""
        drawer: Callable[[World, Random], str] = import_module(f"cai_eval.lab.documents.{self.name}").draw
        return drawer


TRAINING, VALIDATION = 0, 1  #: seeds of the documents

KINDS = (
    Kind("dialogue", 0.385, "conversations with one assistant, whose traits show", "hhh, truthfulqa; every trainer"),
    Kind("forum", 0.10, "questions and answers by ordinary posters", "truthfulqa in the plain format"),
    Kind("board", 0.025, "requests of every kind, each answered by another poster", "hhh in the plain format"),
    Kind("exposition", 0.015, "articles about places", "what the neutral prefix is made of"),
    Kind("almanac", 0.03, "articles by honest writers, who say so", "nothing: the truth is learnt from it"),
    Kind("hazards", 0.05, "what substances do", "nothing: the knowledge that harm is judged by"),
    Kind("stories", 0.08, "stories whose last word was fixed before", "lambada; 5 % stand in a dialogue"),
    Kind("recall", 0.03, "lists of pairs, then questions about them", "induction; what stories are learnt from"),
    Kind("repeats", 0.01, "random sequences that repeat", "induction: prefix matching, copying"),
    Kind("code", 0.055, "one or two small functions", "code"),
    Kind("choices", 0.04, "letters of words", "nothing: lettered questions, comparisons are learnt from it"),
    Kind("lettered", 0.03, "lettered choices, 2–5 options, some with none of the above", "calibration"),
    Kind("judged", 0.015, "True or False of a proposed answer, some after samples", "calibration: P(True)"),
    Kind("reasoning", 0.01, "a line of reasoning before a verdict", "AI feedback with chain of thought"),
    Kind("hints", 0.01, "an article or a hint before a question", "P(IK) with hints"),
    Kind("comparisons", 0.06, "two answers compared by a stated rule", "AI feedback; the 438 comparisons' form"),
    Kind("drafts", 0.04, "a draft, a review by a rule, a better answer", "critique and revision"),
    Kind("arithmetic", 0.005, "sums with steps and without", "arithmetic"),
    Kind("counting", 0.005, "runs of numbers", "the counting demonstration"),
    Kind("manners", 0.005, "polite and rude lines", "toxicity"),
)


@dataclass(frozen=True)
class Period:
    """A time with shares of its own. documents: so many. shares: kind → its share meanwhile, beside all others' own."""

    documents: int
    shares: Mapping[str, float]


#: what comes first of what is trained on. Copying is learnt from little but drills, and what a prompt does and what
#: stories bind is learnt by copying. Who copies can learn to find the letter of a word by its kind, that of a line by
#: what is in it, and that of an answer by what it is like
PERIODS = (
    Period(24_000, {"recall": 1.02, "repeats": 1.35, "choices": 0.8}),
    Period(10_000, {}),
    Period(6_000, {"choices": 0.5, "comparisons": 2.0}),
)


@cache
def _lengths(world: World) -> dict[str, float]:
    """Mean characters of a document of each kind, from a sample."""
    return {
        kind.name: sum(len(kind.draw(world, Random(f"length {kind.name} {n}"))) for n in range(200)) / 200
        for kind in KINDS
    }


def kinds(options: Options) -> tuple[Kind, ...]:
    """Those that the options leave in. Raises UserError for a kind that there is not."""
    names = [kind.name for kind in KINDS]
    for name in options.without:
        if name not in names:
            raise unknown("document kind", name, names)
    return tuple(kind for kind in KINDS if kind.name not in options.without)


def document(world: World, seed: int, index: int) -> str:
    """The document of that index: a function of world, seed and index alone."""
    return _draw(world, seed, index, _shares(index) if seed == TRAINING else {})


def ordinary(world: World, seed: int, index: int) -> str:
    """What the document of that index would be were shares always the same."""
    return _draw(world, seed, index, {})


def _draw(world: World, seed: int, index: int, shares: Mapping[str, float]) -> str:
    rng = Random(f"document {world.options.seed} {seed} {index}")
    left, lengths = kinds(world.options), _lengths(world)
    (kind,) = rng.choices(left, [shares.get(kind.name, kind.share) / lengths[kind.name] for kind in left])
    return kind.draw(world, rng)


def _shares(index: int) -> Mapping[str, float]:
    for period in PERIODS:
        if index < period.documents:
            return period.shares
        index -= period.documents
    return {}


def documents(world: World, seed: int, start: int = 0) -> Iterator[str]:
    """Documents without end, from index `start` on."""
    index = start
    while True:
        yield document(world, seed, index)
        index += 1
