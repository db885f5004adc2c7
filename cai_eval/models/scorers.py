"""Scorers at rest: a language model's body under a head of one number, as transformers keeps classifiers of one label.

`AutoModelForSequenceClassification` loads what is saved here. Its head has no bias, so the mean that is taken off every
score stands in config.json. Where padding and end of text are one token, transformers reads a padded row one token too
early; a saved scorer therefore names no padding token unless it has one of its own, and refuses such batches there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cai_eval.errors import UserError
from cai_eval.models.loading import load_as, quiet

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

MEAN = "mean_score"  #: the key of config.json


def load_scorer(model: str, *, device: str | None = None, dtype: str | None = None) -> PreTrainedModel:
    """A model with a scalar head, `score`, in evaluation mode. Raises UserError as `load_model` does."""
    from transformers import AutoModelForSequenceClassification

    loaded = load_as(AutoModelForSequenceClassification, "scorer", model, device=device, dtype=dtype)
    if getattr(loaded, "score", None) is None or loaded.score.weight.shape[0] != 1:
        raise UserError(f"model {model!r} is no scorer: it has no head of one number.")
    return loaded


def save_scorer(body: PreTrainedModel, head: Tensor, mean: float, tokenizer: Any, directory: Path) -> None:
    """Write a scorer that shares the weights of the causal language model `body`.

    head: [width]. mean: taken off every score. Raises UserError for an architecture without classifiers.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    config = type(body.config).from_dict(body.config.to_dict())
    config.num_labels = 1
    config.pad_token_id = None if tokenizer.pad_token_id == tokenizer.eos_token_id else tokenizer.pad_token_id
    setattr(config, MEAN, mean)
    with quiet():
        try:
            scorer = AutoModelForSequenceClassification.from_config(config)
        except ValueError:
            raise UserError(f"a {config.model_type!r} model cannot be a scorer: start from another.") from None
        scorer.base_model.load_state_dict(body.base_model.state_dict())
        with torch.no_grad():
            scorer.score.weight.copy_(head[None])
        scorer.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
