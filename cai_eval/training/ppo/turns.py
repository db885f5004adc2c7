"""Which human's turns each update answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

from cai_eval.contracts import Source
from cai_eval.errors import UserError
from cai_eval.training.optimisation import order
from cai_eval.training.prompts import read_prompts


def draw_turns(
    source: Source, shares: Mapping[str, float], updates: int, batch: int, seed: int, fits: Callable[[str], bool]
) -> list[list[str]]:
    """`batch` turns for each update, every set of prompts in its share, over all and in each update but for rounding.

    shares: set → weight. A set that is used up is gone over again in another order. More updates begin with the same
    turns. fits: whether the policy can read a turn and answer; those that it cannot are left out.

    Raises UserError where none of a set is left, and as `read_prompts` does.
    """
    total = sum(shares.values())
    taken = dict.fromkeys(shares, 0)
    schedule = []
    for place in range(updates * batch):
        name = max(shares, key=lambda name: shares[name] / total * (place + 1) - taken[name])
        schedule.append((name, taken[name]))
        taken[name] += 1
    turns = {name: _cycled(source, name, count, seed, fits) for name, count in taken.items()}
    drawn = [turns[name][place] for name, place in schedule]
    return [drawn[start : start + batch] for start in range(0, len(drawn), batch)]


def _cycled(source: Source, name: str, count: int, seed: int, fits: Callable[[str], bool]) -> list[str]:
    if not count:
        return []
    texts = [prompt.text for prompt in read_prompts(source, name, count, seed) if fits(prompt.text)]
    if not texts:
        raise UserError(
            f"no prompt of {name} leaves room for an answer in the contexts of policy and preference models: allow "
            "fewer tokens."
        )
    again = (texts[i] for epoch in itertools.count(1) for i in order(seed, epoch, len(texts)))
    return [*texts, *itertools.islice(again, max(0, count - len(texts)))]
