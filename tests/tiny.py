"""Tiny models on disk, made in milliseconds, as a user would have them: config, weights, tokenizer."""

from pathlib import Path

TEXT = (
    "Human: Why does bread rise?\n\nAssistant: Yeast makes gas, and the dough holds it.\n\n-----\n\n"
    "The ferry leaves at nine. Rain fell on the hills and the river rose. A clock ticked in the hall. "
) * 40


def save_model(directory: Path, *, hidden: int = 16, context: int = 512, seed: int = 0) -> str:
    """A random Llama of two layers with a byte-level BPE of 400 entries; its directory."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator([TEXT], vocab_size=400, show_progress=False, special_tokens=["<|end|>"])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer._tokenizer, bos_token="<|end|>", eos_token="<|end|>")
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=context,
        bos_token_id=0,
        eos_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(directory)
    fast.save_pretrained(directory)
    return str(directory)
