"""An AI judge of the answers that a run holds: a policy votes on pairs of them, by principles of a constitution.

Its votes stand beside those of people. Each is the chance that the first answer is better, so a doubtful one is nearly
a tie; as in AI feedback one principle is drawn for each pair, and both orders are asked (`cai_eval.training.choosing`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from cai_eval.constitution import Constitution
from cai_eval.contracts import Policy, Sampling
from cai_eval.errors import UserError
from cai_eval.feedback import mass, unlettered
from cai_eval.study.votes import Blind
from cai_eval.training.choosing import chance_of_first, choose
from cai_eval.training.labelling import Pair

BATCH = 32  #: pairs put to the policy together
LONGEST = 100  #: characters of a judge's name


def judge_name(model: str, constitution: Constitution) -> str:
    """How figures and files call such a judge."""
    return re.sub(r"[^\w.-]+", "-", f"{model} by {constitution.name}")[:LONGEST]


def vote(
    policy: Policy,
    constitution: Constitution,
    pairs: Sequence[Blind],
    reasoning: Sampling | None,
    seed: int,
    progress: Callable[[str], None] = lambda note: None,
) -> tuple[list[tuple[Blind, float]], list[str]]:
    """The pairs with the share of each first answer, and what should be known of the votes.

    Two answers that are the same are a tie. A pair that does not fit in the policy's context gets no vote. Raises
    UserError for a policy that computes NaN, and where there is no vote.
    """
    voted = [(pair, pair.share) for pair in pairs if pair.share is not None]
    asked = [pair for pair in pairs if pair.share is None]
    masses = []
    for start in range(0, len(asked), BATCH):
        progress(f"{start} of {len(asked)} pairs")
        some = asked[start : start + BATCH]
        shown = [Pair(pair.id, pair.prompt, "", pair.a, pair.b) for pair in some]
        for pair, verdicts in zip(some, choose(policy, constitution, shown, 1, reasoning, seed), strict=True):
            if verdicts:
                voted.append((pair, chance_of_first(verdicts)))
                masses.append(mass([verdict for each in verdicts.values() for verdict in each]))
    if not masses:
        raise UserError("no pair has a vote: all answers are the same, or too long for the judge with its examples.")
    lost = len(asked) - len(masses)
    notes = [f"{lost:,} of {len(asked):,} pairs are too long for the judge and have no vote."][:lost]
    return voted, [*notes, *([told] if (told := unlettered(masses, "the judge")) else [])]
