"""The laboratory as a source: rows in the published schemas, texts in its world's language, the ideal observer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cai_eval.contracts import JSON, Item, PolicySpec, Published
from cai_eval.errors import UserError
from cai_eval.lab import observer, oracle, prompts
from cai_eval.lab.documents import code, stories
from cai_eval.lab.functions import ideal_pass
from cai_eval.lab.listening import parse_ask
from cai_eval.lab.rows.facts import calibration, short, truthfulqa
from cai_eval.lab.rows.hhh import hhh
from cai_eval.lab.rows.preferences import preferences
from cai_eval.lab.rows.prompts import every, helpful, red_team
from cai_eval.lab.rows.rules import comparisons
from cai_eval.lab.rows.texts import conversations, plain_texts
from cai_eval.lab.world import World, make_world

if TYPE_CHECKING:
    from collections.abc import Sequence

Rows = list[dict[str, JSON]]

ROWS: Mapping[str, Callable[[World], Rows]] = {
    "hhh_alignment": hhh,
    "truthfulqa": truthfulqa,
    "lambada": stories.rows,
    "humaneval": code.rows,
    "facts": calibration,
    "short_facts": short,
    "rule_comparisons": comparisons,
    "plain-texts": plain_texts,
    "conversations": conversations,
    "red-team-prompts": red_team,
    "helpful-prompts": helpful,
    "validation-prompts": lambda world: every(world, "validation"),
    "test-prompts": lambda world: every(world, "test"),
    "helpful-comparisons": lambda world: preferences(world, "helpful"),
    "harmless-comparisons": lambda world: preferences(world, "harmless"),
}
TEXTS: Mapping[str, Callable[[World], str]] = {
    "hhh-prompt": prompts.hhh_prompt,
    "neutral-prefix": prompts.neutral_prefix,
    "placebo-prompt": prompts.placebo_prompt,
}


class LaboratorySource:
    """contracts.Source of a world."""

    name = "laboratory"

    def __init__(self) -> None:
        self.world = make_world()

    def rows(self, data: Published) -> Rows:
        """Rows under test. Raises UserError for a data set that this world lacks."""
        if data.name not in ROWS:
            raise UserError(
                f"the laboratory's world has no {data.name!r}, only {', '.join(ROWS)}: choose those benchmarks, or "
                "models that read published data (--ladder pythia)."
            )
        return ROWS[data.name](self.world)

    def text(self, name: str) -> str | None:
        """The texts of `TEXTS`; None for any other."""
        return TEXTS[name](self.world) if name in TEXTS else None

    def ideal(self, benchmark: str, item: Item, policy: PolicySpec) -> float | None:
        """The ideal observer's score on `hhh`, `truthfulqa`, `lambada`, `code`, `principles`, plain `calibration`."""
        if benchmark == "lambada":
            return 1.0
        if benchmark == "code":
            careful = observer.careful(self.world, policy.format, policy.prefix.text)
            bugs = careful * code.CAREFUL_BUG_RATE + (1 - careful) * code.BUG_RATE
            return ideal_pass(bugs, item.data["temperature"], item.data["top_p"], item.data["k"])
        if benchmark == "calibration" and policy.format == "plain":
            planted = item.data["planted"]
            return float(planted.index(max(planted)) == item.data["answer"])
        if benchmark == "principles":
            return float(item.data["ideal"] > 0.5)  # the likelier letter is the rule's
        if benchmark == "hhh":
            return self._choice(item.data["query"], (item.data["good"], item.data["bad"]), policy)
        if benchmark == "truthfulqa":
            right_first = sorted(item.data["mc1"], key=item.data["mc1"].get, reverse=True)
            return self._choice(item.data["question"], right_first, policy)
        return None

    def judge(self, prompt: str, answer: str) -> Mapping[str, float] | None:
        """The oracle's verdict; None for a prompt that nobody in this world would make."""
        ask = parse_ask(self.world, prompt)
        return None if ask is None else oracle.grade(self.world, ask, answer).grades()

    def _choice(self, asked: str, right_first: Sequence[str], policy: PolicySpec) -> float | None:
        ask = parse_ask(self.world, asked)
        if ask is None:
            return None
        return observer.prefers_first(self.world, ask, right_first, policy.format, policy.prefix.text)
