"""What a constitution is made of, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from cai_eval.config import Location
from cai_eval.constitution.templates import Templates, slots
from cai_eval.constitution.templates import problems as template_problems

REQUESTS = {"critique_request": "critique", "revision_request": "revision"}  #: slot → the field of a principle
_STRICT: dict[str, str] = {"extra": "forbid"}


@dataclass(frozen=True)
class Principle:
    """One of the rules that an answer is criticised, revised or chosen by.

    aspect: what it is about, in a word. critique, revision: requests, the second where the templates hold its slot.
    comparison: the request to choose. Either kind may be left out.
    """

    id: str
    aspect: str
    critique: str = ""
    revision: str = ""
    comparison: str = ""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT


@dataclass(frozen=True)
class CritiqueExample:
    """A whole round, shown before a model's own. conversation: ends with the human's turn; answer: the draft."""

    conversation: str
    answer: str
    critique_request: str
    critique: str
    revision: str
    revision_request: str = ""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT


@dataclass(frozen=True)
class ComparisonExample:
    """A choice that was made. principle: the request. reasoning: the thoughts before it, of a reasoned one."""

    conversation: str
    principle: str
    first: str
    second: str
    label: Literal["A", "B"]
    reasoning: str = ""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT


@dataclass(frozen=True)
class Constitution:
    """Principles, with the examples that are shown before critiques, comparisons and reasoned comparisons."""

    name: str
    title: str
    principles: tuple[Principle, ...]
    description: str = ""
    critiques: tuple[CritiqueExample, ...] = ()
    comparisons: tuple[ComparisonExample, ...] = ()
    reasoned: tuple[ComparisonExample, ...] = ()
    templates: Templates = field(default_factory=Templates)

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    @property
    def revising(self) -> tuple[Principle, ...]:
        """Those that answers are criticised and revised by."""
        return tuple(principle for principle in self.principles if principle.critique or principle.revision)

    @property
    def comparing(self) -> tuple[Principle, ...]:
        """Those that answers are chosen by."""
        return tuple(principle for principle in self.principles if principle.comparison)


def problems(constitution: Constitution) -> Iterator[tuple[Location, str]]:
    """(where, what) of everything that would fail, or do something else than was meant, when it is put to a model."""
    for name, problem in template_problems(constitution.templates):
        yield ("templates", name), problem
    requested = _requested(constitution.templates)
    yield from _principle_problems(constitution.principles, requested)
    for number, example in enumerate(constitution.critiques):
        keys = ("conversation", "answer", "critique", "revision", *requested)
        yield from _example_problems(example, ("critiques", number), keys)
    for kind, more in (("comparisons", ()), ("reasoned", ("reasoning",))):
        for number, choice in enumerate(getattr(constitution, kind)):
            keys = ("conversation", "principle", "first", "second", *more)
            yield from _example_problems(choice, (kind, number), keys)


def _requested(templates: Templates) -> list[str]:
    """The slots for requests that critiques and revisions need."""
    return [slot for slot in REQUESTS if slot in (*slots(templates.step), *slots(templates.direct))]


def _principle_problems(principles: Sequence[Principle], requested: Sequence[str]) -> Iterator[tuple[Location, str]]:
    if not principles:
        yield ("principles",), "a constitution needs at least one principle"
    seen: dict[str, int] = {}
    for number, principle in enumerate(principles):
        place: Location = ("principles", number)
        if principle.id in seen:
            yield (*place, "id"), f"the id {principle.id!r} is that of principle {seen[principle.id] + 1} already"
        seen.setdefault(principle.id, number)
        for key in ("id", "aspect"):
            if not getattr(principle, key).strip():
                yield (*place, key), f"the {key} of a principle must not be empty"
        given = {key for key in ("critique", "revision", "comparison") if getattr(principle, key).strip()}
        if not given:
            yield place, f"principle {principle.id!r} asks for nothing: give critique and revision, or comparison"
        needed = {REQUESTS[slot] for slot in requested}
        if given & {"critique", "revision"} and needed - given:
            missing = " and ".join(sorted(needed - given))
            yield place, f"principle {principle.id!r} lacks its {missing}, which the templates ask for"
        for key in sorted(given - needed - {"comparison"}):
            yield (*place, key), f"the {key} of principle {principle.id!r} has no slot in the templates"


def _example_problems(
    example: CritiqueExample | ComparisonExample, place: Location, keys: Sequence[str]
) -> Iterator[tuple[Location, str]]:
    for key in keys:
        if not getattr(example, key).strip():
            yield place, f"the example's {key} is missing or empty"
    if not example.conversation.strip().startswith("Human:"):
        yield (*place, "conversation"), "the example's conversation must start with 'Human:'"
