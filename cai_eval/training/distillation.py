"""Context distillation between two policies: batches and objective from their specs and some texts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from torch import Tensor

from cai_eval.contracts import PolicySpec, Workshop
from cai_eval.inference.logprobs import Engine
from cai_eval.models.loading import load_config, load_model

from .data import make_batches
from .loop import Batch, Objective
from .objectives import context_distillation, exact_distillation
from .targets import Targets, passage_batch
from .teacher import Teacher, pair

Batches = Callable[[int], Sequence[Batch]]


class Lesson:
    """What a teacher behind its prefix has to say of texts that its student reads without one.

    texts: as (student, teacher) read them. tokens: of a text, at most. Raises UserError as `teacher.pair` does.
    """

    def __init__(
        self,
        workshop: Workshop,
        student: PolicySpec,
        teacher: PolicySpec,
        texts: Sequence[tuple[str, str]],
        tokens: int,
    ) -> None:
        self._workshop = workshop
        self._spec = teacher
        tokenizers = workshop.tokenizer(student), workshop.tokenizer(teacher)
        contexts = student.context, teacher.context
        self._head, self._passages = pair(tokenizers, teacher.prefix, texts, contexts, tokens)
        sizes = (load_config(policy.model).get_text_config().vocab_size for policy in (student, teacher))
        self._vocabulary: int = min(sizes)

    def cached(self, rows: int, k: int, directory: Path) -> tuple[Batches, Objective]:
        """The teacher's k likeliest tokens and a bucket for the rest, computed before the training and kept.

        rows: passages a step.
        """
        targets = Targets(
            directory,
            self._passages,
            hashlib.sha256(repr((self._spec.fingerprint, self._head, self._vocabulary)).encode()).hexdigest(),
            k,
            self._vocabulary,
            lambda passages, k: self._teacher.top(passages, k),
            lambda done, total: self._workshop.progress(done, total, "asking the teacher"),
        )
        self.__dict__.pop("_teacher", None)  # it has said all: its memory is the student's now
        return self._batches(rows, targets.batch), context_distillation

    def exact(self, rows: int) -> tuple[Batches, Objective]:
        """The whole vocabulary; the teacher stays in memory and runs in every step."""

        def gather(chosen: Sequence[int]) -> dict[str, Tensor]:
            passages = [self._passages[i] for i in chosen]
            return {**passage_batch(passages), "teacher_hidden": self._teacher.hidden(passages)}

        return self._batches(rows, gather), exact_distillation(self._teacher.head)

    @cached_property
    def _teacher(self) -> Teacher:
        return Teacher(Engine(load_model(self._spec.model)), self._head, self._vocabulary)

    def _batches(self, rows: int, gather: Callable[[Sequence[int]], Mapping[str, Tensor]]) -> Batches:
        lengths = [len(passage.student) for passage in self._passages]
        return make_batches(lengths, rows, self._workshop.seed, gather)
