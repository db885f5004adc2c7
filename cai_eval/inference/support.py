"""Whether a model's attention allows shared segments: checked on the model itself, never assumed by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .attention import Unsupported
from .forward import Budget, Usage, vocabulary
from .plain import PlainScorer
from .shared import SharedScorer
from .trie import SEGMENT_TOKENS

#: Nats by which two right computations may differ on a short run, where log-probabilities differ by a nat or more.
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.25}


def unsupported(model: Any, context: int) -> str:
    """ "" where both scorers agree on a small run with this model; else one sentence that says why not."""
    reason = _declared(model.config) or _measured(model, context)
    return reason and f"{model.config.model_type} computes a shared prefix anew for each request: {reason}."


def _declared(config: Any) -> str:
    """What a config tells that a short run could not show."""
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ()) - {"full_attention"}
    if kinds:
        return "it has layers of " + ", ".join(sorted(kinds)).replace("_", " ")
    if getattr(text, "is_encoder_decoder", False):
        return "it is an encoder-decoder"
    rope = getattr(text, "rope_parameters", None) or {}
    if rope.get("rope_type", "default") in {"dynamic", "longrope"}:
        return "its rotary frequencies depend on the length of the text"
    return ""


@torch.no_grad()
def _measured(model: Any, context: int) -> str:
    """What scoring a few forked sequences behind a prefix both ways tells."""
    if not model._can_set_attn_implementation():
        return "its attention cannot be replaced"
    length = max(1, min(SEGMENT_TOKENS + 8, context - 8))
    ids = np.random.default_rng(0).integers(0, vocabulary(model), length + 16).tolist()
    prefix, stem, ends = tuple(ids[:length]), tuple(ids[length : length + 4]), ids[length + 4 :]
    sequences = [(*stem, *ends[i : i + 3]) for i in range(0, 9, 3)]
    budget, usage = Budget(model, None), Usage()
    try:
        ours, _ = SharedScorer(model, length + 16, budget, usage).score(prefix, sequences, [0, 1, 4])
    except Unsupported as error:
        return str(error)
    except Exception as error:  # whatever a model of strangers makes of it, the plain way remains
        return f"a trial run failed with {type(error).__name__}"
    theirs, _ = PlainScorer(model, budget, usage).score(prefix, sequences, [0, 1, 4])
    # Weights that are still near nought tell tokens apart by little, and so would a mistake.
    spread = min(1.0, max(0.01, float(np.nan_to_num(theirs).std())))
    if not np.allclose(ours, theirs, rtol=0, atol=spread * TOLERANCE.get(model.dtype, 0.25), equal_nan=True):
        return f"a trial run differed by {np.nanmax(np.abs(ours - theirs)):.2g} nats"
    return ""
