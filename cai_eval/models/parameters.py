"""Model sizes as Askell et al. 2021 count them: without embeddings, from the configuration alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cai_eval.errors import UserError
from cai_eval.models.loading import quiet

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def non_embedding(config: PretrainedConfig) -> int:
    """Parameters outside the token, position and output embeddings (arXiv 2112.00861, section 1.3).

    Builds the model's shapes on torch's `meta` device: no weights, no memory, any causal architecture.
    Raises UserError where the configuration is not that of a causal language model.
    """
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with quiet(), torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except ValueError as error:
        raise UserError(
            f"a {config.model_type!r} model is not a causal language model that transformers knows: "
            "choose a model that from_pretrained loads as AutoModelForCausalLM."
        ) from error
    tables = [module for module in model.modules() if isinstance(module, torch.nn.Embedding)]
    head = model.get_output_embeddings()
    embeddings = {id(p) for table in [*tables, *([head] if head is not None else [])] for p in table.parameters()}
    return sum(p.numel() for p in model.parameters() if id(p) not in embeddings)
