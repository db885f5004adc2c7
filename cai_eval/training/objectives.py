"""Objectives: pure functions of a model and a batch. A loss is a sum in nats, beside the number of tokens it sums over.

A batch holds `input_ids` [rows, length], padded at the right, and may hold `targets` [rows, length] (bool): the tokens
that are predicted, each from all before it. Without `targets` these are all tokens but each row's first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, pad

from cai_eval.inference.last_block import feeding_at

from .heads import hidden_states, sliced
from .loop import Objective

# ---------------------------------------------------------------------------------------------------
# Losses on logits [tokens, vocabulary]
# ---------------------------------------------------------------------------------------------------


def token_loss(logits: Tensor, ids: Tensor) -> Tensor:
    """−Σ log q(id) of ids [tokens]."""
    return cross_entropy(logits, ids, reduction="sum")


def full_kl(logits: Tensor, teacher: Tensor) -> Tensor:
    """Σ KL(teacher ‖ student); teacher: log-probabilities [tokens, vocabulary]. Gradient: student − teacher.

    A teacher may know fewer tokens than the student: rungs of a family differ in padding entries at the end.
    """
    student = logits.log_softmax(-1)[:, : teacher.shape[-1]]
    return kl_div(student, teacher, reduction="sum", log_target=True)


def top_k_kl(logits: Tensor, indices: Tensor, teacher: Tensor, tail: Tensor) -> Tensor:
    """Σ KL(teacher ‖ student) over the teacher's k likeliest tokens and one bucket for the rest.

    indices: of those tokens [tokens, k]. teacher: their log-probabilities [tokens, k]. tail: the log of the mass of the
    rest [tokens], −inf for none. Never more than the full KL, for pooling outcomes loses information.
    """
    loss: Tensor = _TopK.apply(logits, indices, teacher, tail)  # type: ignore[no-untyped-call]
    return loss


class _TopK(torch.autograd.Function):
    """`top_k_kl` and its gradient, student − teacher in each bucket; a token of the rest has its share of the bucket's.

    Left to autograd, several more tensors as wide as the vocabulary would be made on the way back.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, indices: Tensor, teacher: Tensor, tail: Tensor) -> Tensor:
        others = logits.scatter(-1, indices, -torch.inf)
        chosen, rest = logits.gather(-1, indices), others.logsumexp(-1)
        total = torch.logaddexp(chosen.logsumexp(-1), rest)
        likely, unlikely = teacher.exp(), tail.exp()
        mass = likely.sum(-1) + unlikely
        gradient = others.softmax(-1).mul_((mass * (rest - total).exp() - unlikely)[:, None])
        gradient.scatter_(-1, indices, mass[:, None] * (chosen - total[:, None]).exp() - likely)
        ctx.save_for_backward(gradient)
        top = likely * (teacher - chosen + total[:, None])
        bucket = torch.where(tail > -torch.inf, unlikely * (tail - rest + total), 0.0)
        return top.sum() + bucket.sum()

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * scale, None, None, None


# ---------------------------------------------------------------------------------------------------
# Objectives
# ---------------------------------------------------------------------------------------------------


def causal_lm(model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    """Negative log-likelihood of the target tokens: pretraining, and supervised fine-tuning masked to the answers."""
    hidden, ids = predicted(model, batch)
    return sliced(token_loss, model.get_output_embeddings(), hidden, ids), len(ids)


def context_distillation(model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    """KL from a teacher with a prompt to the student without it (Askell et al. 2021, §2.1), on cached targets.

    The batch holds for its target tokens, row after row, what `top_k_kl` takes: `teacher_indices` [tokens, k],
    `teacher_logprobs` [tokens, k] and `teacher_tail` [tokens].
    """
    hidden, ids = predicted(model, batch)
    teacher = (batch["teacher_indices"], batch["teacher_logprobs"], batch["teacher_tail"])
    return sliced(top_k_kl, model.get_output_embeddings(), hidden, *teacher), len(ids)


def exact_distillation(teacher: nn.Module) -> Objective:
    """The same with the KL over the whole vocabulary; teacher: the head that reads the batch's `teacher_hidden`.

    That is [tokens, the teacher's width], for the target tokens, row after row.
    """

    def loss(logits: Tensor, hidden: Tensor) -> Tensor:
        with torch.no_grad():
            logprobs = teacher(hidden)[:, : logits.shape[-1]].to(logits.dtype).log_softmax(-1)
        return full_kl(logits, logprobs)

    def objective(model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, int]:
        hidden, ids = predicted(model, batch)
        return sliced(loss, model.get_output_embeddings(), hidden, batch["teacher_hidden"]), len(ids)

    return objective


def predicted(model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The hidden states [tokens, width] that predict the batch's target tokens, and those tokens [tokens]."""
    input_ids = batch["input_ids"]
    if "targets" not in batch:
        return hidden_states(model, input_ids)[:, :-1].flatten(0, 1), input_ids[:, 1:].flatten()
    points = pad(batch["targets"][:, 1:], (0, 1)).flatten().nonzero()[:, 0]
    with feeding_at(model, points):
        hidden = hidden_states(model, input_ids)
    return hidden.flatten(0, 1)[points], input_ids.flatten()[points + 1]
