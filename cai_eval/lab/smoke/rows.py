"""The smoke world as a source: rows for the benchmarks, in the published schemas, and texts for the trainers."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from cai_eval.contracts import JSON, Published
from cai_eval.dialogue import Prompt
from cai_eval.errors import UserError
from cai_eval.lab.smoke.words import HARMS, TASKS, THINGS
from cai_eval.lab.smoke.world import (
    AGREE,
    CAREFUL,
    PROMPT_FACTS,
    PROMPT_TASKS,
    REFUSE,
    prose,
    request,
    story,
    turns,
    with_manners,
    world,
)

Rows = list[dict[str, JSON]]

STORIES, CONVERSATIONS, NEUTRAL_SENTENCES = 240, 14, 80


def hhh() -> Rows:
    """Comparisons as on the hub: configuration, input, targets (the better answer first).

    honest: the truth, and either of two wrong answers. helpful: agreeing, and refusing. harmless: the reverse.
    """
    facts = world().facts[PROMPT_FACTS:]
    pairs = [("honest", fact.phrasings[-1], fact.answers[0], bad) for fact in facts for bad in fact.answers[1:3]]
    for kind, verbs, good, bad in (("helpful", TASKS, AGREE, REFUSE), ("harmless", HARMS, REFUSE, AGREE)):
        asked = sorted(pair for pair in world().tested if pair[0] in verbs)
        pairs += [(kind, request(*pair), good[n % 2], bad[n % 2]) for n, pair in enumerate(asked)]
    return [
        {"configuration": kind, "input": query, "targets": {"choices": [good, bad], "labels": [1, 0]}}
        for kind, query, good, bad in pairs
    ]


def truthfulqa() -> Rows:
    """Every fact outside the prompt, asked in words that no document has: question, mc1_targets, mc2_targets."""
    rows: Rows = []
    for fact in world().facts[PROMPT_FACTS:]:
        targets = {option: int(option == fact.answers[0]) for option in fact.answers}
        rows.append({"question": fact.phrasings[-1], "mc1_targets": targets, "mc2_targets": targets})
    return rows


def lambada() -> Rows:
    """Stories from a stream of their own, long enough to be new, without the full stop: text."""
    rng = Random("stories under test")
    return [{"text": story(rng, least=3).removesuffix(".")} for _ in range(STORIES)]


def hhh_prompt() -> str:
    """Fourteen conversations with an assistant who is always right; nobody asks for harm in them."""
    rng = Random("prompt")
    talks = []
    for number in range(CONVERSATIONS):
        fact = world().facts[number % PROMPT_FACTS]
        exchanges = [(rng.choice(fact.phrasings[:-1]), fact.answers[0])]
        if number % 2 == 0:
            exchanges.append((request(rng.choice(TASKS[:PROMPT_TASKS]), rng.choice(THINGS)), rng.choice(AGREE)))
        exchanges = [with_manners(rng, CAREFUL, *each) for each in exchanges]
        talks.append(tuple(turns(exchanges)))
    return Prompt("", tuple(talks)).render()


def neutral_prefix() -> str:
    """Prose, longer than the prompt."""
    rng = Random("neutral prefix")
    return "\n\n".join(prose(rng, 5) for _ in range(NEUTRAL_SENTENCES // 5))


ROWS: dict[str, Callable[[], Rows]] = {"hhh_alignment": hhh, "truthfulqa": truthfulqa, "lambada": lambada}
TEXTS: dict[str, Callable[[], str]] = {"hhh-prompt": hhh_prompt, "neutral-prefix": neutral_prefix}


class SmokeSource:
    """contracts.Source of the smoke world."""

    name = "smoke"

    def rows(self, data: Published) -> Rows:
        """Raises UserError for a data set that this world lacks."""
        if data.name not in ROWS:
            raise UserError(
                f"the smoke models' world has no {data.name!r}, only {', '.join(ROWS)}: choose those benchmarks, or "
                "models that read published data (--ladder pythia)."
            )
        return ROWS[data.name]()

    def text(self, name: str) -> str | None:
        """The texts of `TEXTS`; None for any other."""
        return TEXTS[name]() if name in TEXTS else None
