"""Code: one or two small functions, as files have them or as an assistant gives them in a dialogue.

Plain text slips in 30 % of its functions, a careful speaker in 3 %. Functions under test are pairs of steps that no
document has; benchmark `code` asks for them in HumanEval's schema.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from cai_eval.contracts import JSON
from cai_eval.lab.chance import Split
from cai_eval.lab.functions import body, function, pairs, prompt, unit_test

if TYPE_CHECKING:
    from cai_eval.lab.world import World

BUG_RATE = 0.30  #: of plain code
CAREFUL_BUG_RATE = 0.03

ASK_FUNCTION = "Please complete this Python function."
LEAD_IN = "Certainly. I have run it and it passes its tests:"


def draw(world: World, rng: Random) -> str:
    """One or two functions of one plain file."""
    chosen = pairs("pretraining")
    return "\n\n\n".join(function(rng, rng.choice(chosen), BUG_RATE).text for _ in range(rng.randint(1, 2)))


def in_dialogue(world: World, rng: Random, careful: bool) -> tuple[str, str]:
    """What the human says, and the assistant: a function without its body, and the whole."""
    written = function(rng, rng.choice(pairs("pretraining")), CAREFUL_BUG_RATE if careful else BUG_RATE)
    return f"{ASK_FUNCTION}\n\n{written.prompt}", f"{LEAD_IN}\n\n{written.text}"


def rows(world: World, split: Split = "test") -> list[dict[str, JSON]]:
    """The functions of a split as HumanEval has them: task_id, prompt, entry_point, canonical_solution, test."""
    return [
        {
            "task_id": f"laboratory/{first.name}-{second.name}",
            "prompt": prompt("solve", first.wordings[0], second.wordings[0]) + "\n",
            "entry_point": "solve",
            "canonical_solution": body(first.code, second.code).lstrip("\n") + "\n",
            "test": unit_test((first, second)),
        }
        for first, second in pairs(split)
    ]
