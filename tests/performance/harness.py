"""What the programs of this folder share: random models, lm-eval's HFLM around them, a stopwatch."""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "true"
# Threads that wait give their core away, on both sides: otherwise a busy machine is measured and not the programs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def random_model(vocabulary: int, context: int) -> Any:
    """A GPT-NeoX (Pythia) of 6 layers, 256 wide, float32, with random weights."""
    import torch
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=vocabulary,
        hidden_size=256,
        num_hidden_layers=6,
        num_attention_heads=4,
        intermediate_size=1024,
        max_position_embeddings=context,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPTNeoXForCausalLM(config).eval()


def one_word_tokenizer() -> Any:
    """A tokenizer that lm-eval can be given where all requests are ids."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"a": 0}, unk_token="a")), eos_token="a")


def hflm(model: Any, tokenizer: Any, batch_size: int) -> Any:
    """lm-eval's own model class around a live model."""
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Wall-clock seconds, and what `work` gave."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def compare(ours: Sequence[tuple[float, bool]], theirs: Sequence[tuple[float, bool]], tokens: Sequence[int]) -> str:
    """Largest difference of a request's total log-probability, in nats and in nats a token; greedy flags."""
    gaps = [abs(a - b) for (a, _), (b, _) in zip(ours, theirs, strict=True)]
    per_token = max(gap / n for gap, n in zip(gaps, tokens, strict=True))
    flags = "equal" if all(a == b for (_, a), (_, b) in zip(ours, theirs, strict=True)) else "DIFFERENT"
    return f"largest difference {max(gaps):.1e} nats, {per_token:.1e} a token; greedy flags {flags}"
