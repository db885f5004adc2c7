"""Low-rank adapters (Hu et al. 2021, arXiv 2106.09685), by the library peft, an extra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from cai_eval.errors import UserError
from cai_eval.models.loading import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class LoRA:
    """rank: of each adapter. alpha: its output is scaled by alpha / rank. Every linear layer but the head has one."""

    rank: int = 16
    alpha: int = 32


def of_rank(rank: int) -> LoRA | None:
    """Adapters whose output is scaled by 2; None for rank 0, which trains all weights."""
    return LoRA(rank, 2 * rank) if rank else None


def add_adapters(model: PreTrainedModel, lora: LoRA, seed: int) -> Any:
    """The model with adapters, which alone are trainable; until trained it computes what it did.

    Raises UserError where peft is not installed.
    """
    try:
        from peft import LoraConfig, get_peft_model  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise UserError("LoRA needs the library peft: pip install 'cai-eval[lora]'.") from None
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(seed)
        return get_peft_model(model, config)


def merge_adapters(model: Any) -> PreTrainedModel:
    """A plain model of transformers again, the adapters added to its weights."""
    merged: PreTrainedModel = model.merge_and_unload()
    return merged
