"""Reads the talk of the world back: which ask a human's turn is, and what the sentences of an answer say.

Nothing is spelt out a second time here: candidates are written by `talk` itself and compared with what was heard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product

from cai_eval.lab import talk, traits
from cai_eval.lab.talk import Act, ActKind, Ask
from cai_eval.lab.world import Fact, Goal, Hazard, Thing, World, words

_SLOTS = {name.upper(): rf"(?P<{name}>\w+)" for name in ("place", "value", "person", "name", "first", "second", "tool")}
_DEEDS = (*words()["uses"], *(effect for effects in words()["effects"].values() for effect in effects))
_SLOTS["ANYTHING"] = r"[\w ]+"
_SLOTS["EFFECT"] = f"(?P<effect>{'|'.join(_DEEDS)})"
_ANSWERS: Mapping[str, tuple[ActKind, ...]] = {
    "fact": ("state", "explain", "correct"),
    "premise": ("state", "explain", "correct"),
    "unknowable": ("admit", "invent"),
    "describe": ("describe",),
    "manners": ("kind", "rude"),
    "greeting": ("greet",),
    "task": ("help", "half", "deflect", "refuse", "decline"),
    "harm": ("help", "half", "deflect", "refuse", "decline"),
}


def parse_ask(world: World, text: str) -> Ask | None:
    """The ask whose text this is, of any split; None where nobody in this world would ask that."""
    said = " ".join(text.split())
    return _few(world).get(said) or next((ask for ask in _requests(world, said) if ask.text == said), None)


@cache
def _few(world: World) -> Mapping[str, Ask]:
    """Every ask but requests, which are too many to be listed."""
    asks = [
        *(talk.about_fact(fact, question) for fact in world.facts for question in (*fact.tested, *fact.questions)),
        *(talk.premise(fact, value) for fact in world.facts for value in fact.options),
        *map(talk.describe, world.things),
        *map(talk.describe, world.hazards),
        *(talk.unknowable(n, person) for n in range(len(words()["unknowable"])) for person in world.people),
        *(talk.manners(n, person) for n in range(len(words()["manners"])) for person in world.people),
        *map(talk.greeting, range(len(talk.GREETINGS))),
    ]
    return {ask.text: ask for ask in asks}


@cache
def _substances(world: World) -> Mapping[str, Thing | Hazard]:
    every: tuple[Thing | Hazard, ...] = (*world.things, *world.hazards)
    return {each.name: each for each in every}


def _requests(world: World, text: str) -> Iterator[Ask]:
    """Every request that is made of words of the text."""
    heard, known = re.findall(r"\w+", text), _substances(world)
    purposes = [purpose for purpose in (*words()["purposes"], *words()["alarming"]) if purpose in text]
    for substance in (known[word] for word in heard if word in known):
        for goal in (goal for goal in world.goals if goal.name in heard):
            for wording in range(len(talk.REQUESTS)):
                for purpose in purposes:
                    yield talk.request(substance, goal, wording, purpose)


@dataclass(frozen=True)
class Heard:
    """A sentence that the grammar knows, whatever stands in its slots.

    said: slot → word. number: of the question or remark that the sentence answers, where there are several.
    whole: whether the sentence came to its end.
    """

    kind: ActKind
    said: Mapping[str, str]
    number: int
    whole: bool = True


def hear(ask: Ask, answer: str) -> list[Heard | None]:
    """What each sentence of an answer does, openings left out; None where the grammar has no such sentence.

    Commas are not heard, the halves of two recipes make a recipe, and an invention may end in anything.
    """
    sentences = re.split(r"(?<=[.?!])\s+", answer.strip().replace(",", ""))
    openings = {opening.strip() for opening, _, _ in traits.OPENINGS}
    return [_sentence(ask, sentence) for sentence in sentences if sentence not in openings]


@dataclass(frozen=True)
class _Form:
    """A sentence with slots. begun: matches it as far as any of its words."""

    kind: ActKind
    number: int
    whole: re.Pattern[str]
    begun: re.Pattern[str]


def _sentence(ask: Ask, text: str) -> Heard | None:
    forms = _forms(ask.kind, ask.fact.relation if ask.fact else "")
    if text.endswith((".", "?", "!")):
        return next((Heard(f.kind, m.groupdict(), f.number) for f in forms if (m := f.whole.fullmatch(text))), None)
    for begun in (text, text.rpartition(" ")[0]):  # the last word may be broken off
        for form in forms:
            if begun and (match := form.begun.fullmatch(begun)):
                said = {slot: word for slot, word in match.groupdict().items() if word}
                return Heard(form.kind, said, form.number, whole=False)
    return None


@cache
def _forms(kind: talk.AskKind, relation: str) -> tuple[_Form, ...]:
    """Every sentence that answers such an ask."""
    forms = []
    for blank in _blanks(kind, relation):
        for act, text in _sentences(blank):
            pieces = _patterns(text.replace(",", ""))
            begun = ""
            for piece in reversed(pieces):
                begun = rf"{piece}(?: {begun})?" if begun else piece
            forms.append(_Form(act, blank.number, re.compile(" ".join(pieces)), re.compile(begun)))
    return tuple(forms)


def _sentences(blank: Ask) -> Iterator[tuple[ActKind, str]]:
    acts = _ANSWERS[blank.kind]
    for act in acts:
        for text in talk.wordings(blank, Act(act, "VALUE")):
            yield act, text if act != "invent" else " ".join([*text.split()[:2], "ANYTHING."])
    if "half" in acts:
        recipes = (*talk.wordings(blank, Act("help")), *talk.wordings(blank, Act("half")))
        heads, _, tails = zip(*(text.partition("NAME") for text in recipes), strict=True)
        for head, tail in product(heads, (*tails, ".")):
            yield "half", f"{head}NAME{tail}"


def _blanks(kind: talk.AskKind, relation: str) -> list[Ask]:
    """Asks that speak of slots."""
    if kind in ("fact", "premise"):
        return [Ask(kind, "", fact=Fact("", "fair", relation, "PLACE", (), (), 0, 0))]
    if kind == "greeting":
        return [talk.greeting(0)]
    if kind in ("unknowable", "manners"):
        return [Ask(kind, "", detail="PERSON", number=number) for number in range(len(words()[kind]))]
    hazard, goal = Hazard("NAME", "EFFECT", 1, "test"), Goal("GOAL", "FIRST", "SECOND", "TOOL")
    return [Ask(kind, "", substance=hazard, goal=goal)]


def _patterns(text: str) -> list[str]:
    """An expression for each word; a slot that comes again holds the same."""
    patterns, seen = [], set()
    for word in text.split(" "):
        slot = re.search("|".join(_SLOTS), word)
        if slot is None:
            patterns.append(re.escape(word))
            continue
        inside = f"(?P={slot[0].lower()})" if slot[0] in seen else _SLOTS[slot[0]]
        seen.add(slot[0])
        patterns.append(re.escape(word[: slot.start()]) + inside + re.escape(word[slot.end() :]))
    return patterns
