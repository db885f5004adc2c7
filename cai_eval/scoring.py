"""Scoring a batch of items by log-probability, so that one item's failure costs that item alone.

A benchmark says what to ask of the model about an item, and how to judge the item by the answers; `score_items`
puts the requests of the whole batch to the policy at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from cai_eval.contracts import ContextTooLong, Item, Policy, Record, Request, Scored

T = TypeVar("T")

TIE = 1e-6  #: nats; scores nearer than this are equal, for rounding in fp32 is coarser


def score_items(
    policy: Policy,
    items: Sequence[Item],
    ask: Callable[[Item], Sequence[Request]],
    judge: Callable[[Item, Sequence[Scored]], Record],
) -> Iterator[Record]:
    """One record for each item, in order: `judge(item, [the policy's answer to each of ask(item)])`.

    An item becomes `Record.failed` where a request does not fit in the context, where a log-probability is not
    finite (a model that computes NaN gets no credit), or where `ask` or `judge` raises.
    """
    asked = [attempt(item, lambda item=item: tuple(ask(item))) for item in items]  # type: ignore[misc]
    requests = [request for each in asked if not isinstance(each, Record) for request in each]
    try:
        scores = iter(policy.score(requests))
    except ContextTooLong as error:
        if len(items) == 1:
            yield Record.failed(items[0], f"does not fit in the model's context: {error}")
        else:
            for item in items:
                yield from score_items(policy, [item], ask, judge)
        return
    for item, each in zip(items, asked, strict=True):
        if isinstance(each, Record):
            yield each
            continue
        scored = list(islice(scores, len(each)))
        if all(math.isfinite(score.total) for score in scored):
            yield attempt(item, lambda: judge(item, scored))  # noqa: B023 - called at once
        else:
            yield Record.failed(item, "a log-probability is not a finite number", each[0].context)


def attempt(item: Item, step: Callable[[], T]) -> T | Record:
    """What `step` returns, or a failed record where it raises: a batch must outlive its worst item."""
    try:
        return step()
    except Exception as error:
        return Record.failed(item, f"{type(error).__name__}: {error}")


def share_of_best(values: Sequence[float], right: int) -> float:
    """Credit for an argmax that ties share: 1/n where `right` is one of the n best of `values`, else 0."""
    best = [index for index, value in enumerate(values) if value >= max(values) - TIE]
    return 1 / len(best) if right in best else 0.0
