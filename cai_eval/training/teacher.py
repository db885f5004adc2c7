"""A teacher that reads behind its prompt what its student reads without (Askell et al. 2021, §2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cai_eval.contracts import Prefix
from cai_eval.errors import UserError
from cai_eval.inference.attention import attending
from cai_eval.inference.encoding import Encoder, Ids
from cai_eval.inference.logprobs import Engine

from .data import pad
from .heads import SLICE, hidden_states

BATCH_TOKENS = 4096  #: padded tokens that go through the teacher at once
MARGIN = 8  #: tokens that a prefix must leave free at least


@dataclass(frozen=True)
class Passage:
    """One text as both read it.

    student: ids. teacher: ids behind the head of its prefix. shared: the last so many of both are the same tokens, and
    the targets; before the first of them each has one at least.
    """

    student: Ids
    teacher: Ids
    shared: int


@dataclass(frozen=True)
class Distribution:
    """A teacher's predictions: its k likeliest tokens and the mass of all others.

    indices: [tokens, k]. logprobs: theirs, nats [tokens, k]. tail: the log of the others' mass [tokens].
    """

    indices: Tensor
    logprobs: Tensor
    tail: Tensor


def pair(
    tokenizers: tuple[Any, Any],
    prefix: Prefix,
    texts: Sequence[tuple[str, str]],
    contexts: tuple[int, int],
    tokens: int,
) -> tuple[Ids, list[Passage]]:
    """The head of the teacher's prefix, and passages from texts as (student, teacher) read them.

    tokenizers, contexts (in tokens): of student and teacher. tokens: of a passage as the student reads it; longer texts
    are cut to that and to the contexts. The targets are the tokens at the end of both that agree, but for a first token
    with nothing before it. Raises UserError for two vocabularies, a prefix that leaves no room, and where no text is
    left to predict.
    """
    student, teacher = tokenizers
    if student.get_vocab() != teacher.get_vocab():
        raise UserError("teacher and student have different tokenizers: choose two models of one family.")
    alone, behind = Encoder(student), Encoder(teacher, prefix)
    if len(prefix.ids) + MARGIN > contexts[1]:
        raise UserError(
            f"the teacher's prompt of {len(prefix.ids):,} tokens leaves no room in its context of {contexts[1]:,}: "
            "take a shorter prompt."
        )
    read = zip(alone.prompts([text for text, _ in texts]), behind.prompts([text for _, text in texts]), strict=True)
    room = min(tokens, contexts[0]), contexts[1] - len(behind.head)
    passages = [passage for mine, its in read if (passage := _passage(mine, its, room)).shared > 0]
    if not passages:
        raise UserError("there is no text to distil on: give the corpus at least one line of several words.")
    return behind.head, passages


class Teacher:
    """A frozen model behind the head of its prefix, whose keys and values are computed once where that is possible.

    vocabulary: how many tokens its student tells apart; it predicts among these.
    """

    def __init__(self, engine: Engine, head: Ids, vocabulary: int) -> None:
        self._model = engine.model
        self._vocabulary = vocabulary
        self._stack = engine.segments(head) if head and not engine.notice else None
        self._lead = () if self._stack else head

    @property
    def head(self) -> Any:
        """The output head, which turns `hidden` into logits."""
        return self._model.get_output_embeddings()

    @torch.no_grad()
    def hidden(self, passages: Sequence[Passage]) -> Tensor:
        """What predicts the targets of the passages, one after the other: [targets, width]."""
        longest = len(self._lead) + max(len(passage.teacher) for passage in passages)
        rows = max(1, BATCH_TOKENS // longest)
        return torch.cat([self._hidden(passages[i : i + rows]) for i in range(0, len(passages), rows)])

    def _hidden(self, passages: Sequence[Passage]) -> Tensor:
        ids = pad([np.array((*self._lead, *passage.teacher)) for passage in passages]).to(self._model.device)
        if self._stack is None:
            states = hidden_states(self._model, ids)
        else:
            rows, length = ids.shape
            causal = torch.ones(1, length, length, dtype=torch.bool, device=ids.device).tril_()
            positions = self._stack.length + torch.arange(length, device=ids.device)
            with attending(self._model, self._stack, causal.expand(rows, -1, -1)):
                states = hidden_states(self._model, ids, position_ids=positions.expand(rows, -1))
        ends = [len(self._lead) + len(passage.teacher) - 1 for passage in passages]
        return torch.cat([row[end - p.shared : end] for row, end, p in zip(states, ends, passages, strict=True)])

    @torch.no_grad()
    def top(self, passages: Sequence[Passage], k: int) -> Distribution:
        """Its predictions of the targets of the passages, never all logits at once."""
        hidden = torch.split(self.hidden(passages), SLICE)
        parts = [_top(self.head(part)[:, : self._vocabulary].float(), k) for part in hidden]
        return Distribution(*(torch.cat(columns).cpu() for columns in zip(*parts, strict=True)))


def _top(logits: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    logprobs = logits.log_softmax(-1)
    values, indices = logprobs.topk(k)
    tail = logprobs.scatter(-1, indices, -torch.inf).logsumexp(-1)
    return indices, values, tail


def _passage(student: Ids, teacher: Ids, room: tuple[int, int]) -> Passage:
    """What fits of two readings of one text, cut at the end."""
    most = min(len(student), len(teacher)) - 1
    same = 0
    while same < most and student[-same - 1] == teacher[-same - 1]:
        same += 1
    cut = max(0, len(student) - room[0], len(teacher) - room[1])
    return Passage(student[: len(student) - cut], teacher[: len(teacher) - cut], same - cut)
