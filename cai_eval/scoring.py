"""Putting a batch of items to a model so that one item's failure costs that item alone.

A benchmark says what to ask about an item, and how to judge the item by the answers. `put_items` asks the questions
of the whole batch at once; `score_items` is the same for log-probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

from cai_eval.contracts import ContextTooLong, Item, Policy, Record, Request, Scored

Question = TypeVar("Question")
Answer = TypeVar("Answer")
T = TypeVar("T")

TIE = 1e-6  #: nats; scores nearer than this are equal, for rounding in fp32 is coarser


class NotScored(Exception):  # noqa: N818 - reads as what happened
    """Raised by a judge: the item has no score, for the reason given in one sentence."""


def put_items(
    items: Sequence[Item],
    ask: Callable[[Item], Sequence[Question]],
    answer: Callable[[Sequence[Question]], Sequence[Answer]],
    judge: Callable[[Item, Sequence[Question], Sequence[Answer]], Record],
) -> Iterator[Record]:
    """One record for each item, in order: `judge(item, ask(item), answers)`.

    An item becomes `Record.failed` where `ask` or `judge` raises, or where what it asks does not fit in the context.
    """
    asked = [_attempt(item, partial(ask, item)) for item in items]
    try:
        answers = iter(answer([question for each in asked if not isinstance(each, Record) for question in each]))
    except ContextTooLong as error:
        if len(items) == 1:
            yield Record.failed(items[0], str(error))
        else:
            for item in items:
                yield from put_items([item], ask, answer, judge)
        return
    for item, each in zip(items, asked, strict=True):
        if isinstance(each, Record):
            yield each
        else:
            yield _attempt(item, partial(judge, item, each, list(islice(answers, len(each)))))


def score_items(
    policy: Policy,
    items: Sequence[Item],
    ask: Callable[[Item], Sequence[Request]],
    judge: Callable[[Item, Sequence[Request], Sequence[Scored]], Record],
) -> Iterator[Record]:
    """`put_items` for log-probabilities; a model that computes NaN or infinity gets no credit but an error."""

    def judge_numbers(item: Item, requests: Sequence[Request], scored: Sequence[Scored]) -> Record:
        if not all(math.isfinite(score.total) for score in scored):
            raise NotScored("a log-probability is not a finite number")
        return judge(item, requests, scored)

    return put_items(items, ask, policy.score, judge_numbers)


def share_of_best(values: Sequence[float], right: int) -> float:
    """Credit for an argmax that ties share: 1/n where `right` is one of the n best of `values`, else 0."""
    best = [index for index, value in enumerate(values) if value >= max(values) - TIE]
    return 1 / len(best) if right in best else 0.0


def _attempt(item: Item, step: Callable[[], T]) -> T | Record:
    """What `step` returns, or a failed record where it raises: a batch must outlive its worst item."""
    try:
        return step()
    except NotScored as reason:
        return Record.failed(item, str(reason))
    except Exception as error:
        return Record.failed(item, f"{type(error).__name__}: {error}")
