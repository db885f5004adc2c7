"""The laboratory's tokenizer: a byte-level BPE learnt from its own documents; any text can be encoded."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

ENTRIES = 2048
CONTEXT = 2048  #: tokens that a rung can read
END = "<|end|>"  #: id 0; stands before each document
#: A blank belongs to what follows it, digits stand alone, and white space before anything else is one piece: so no
#: token reaches from what ends in a letter or sign into what begins with white space. A letter in parentheses is one
#: piece with its blank: it is copied from beside what it stands for, and small models copy from the very next token.
PIECES = r" \([A-Z]\)| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+?(?= \([A-Z]\))|\s+"

SETTINGS = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": END,
    "eos_token": END,
    "model_max_length": CONTEXT,
    "clean_up_tokenization_spaces": False,
}


def learn(texts: Iterable[str], entries: int = ENTRIES) -> Tokenizer:
    """Byte-pair merges (arXiv 1508.07909) over the UTF-8 bytes of the texts; the same for the same texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=entries,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
