"""Text → token ids that can stand before any context.

What counts is the joint encoding: the ids of a prefix must be the first ids of prefix + separator + context,
whatever the context is. Encoding the two apart does not give that by itself: GPT-2's splitter takes a blank
line at the end of a text as one token and before a word as two; Qwen's and Llama 3's join a full stop or a
dash with the line ends after it.
"""

from __future__ import annotations

from typing import Any

from cai_eval.contracts import Prefix
from cai_eval.errors import UserError

_PROBES = ("Human: Why?", "Once upon a time", "the", "42")  # how contexts start


def make_prefix(tokenizer: Any, text: str, label: str, separator: str = "\n\n") -> Prefix:
    """Encode `text` by the tokenizer's own convention (start-of-text where it adds one).

    The prefix ends at a token boundary: at the text's end or, where the tokenizer joins that with the
    separator, as many characters later as it joins; those move from the separator into the prefix.
    Raises UserError where there is no such boundary.
    """
    whole = [encode(tokenizer, text + separator + probe) for probe in _PROBES]
    for moved in range(len(separator) + 1):
        start = text + separator[:moved]
        ids = encode(tokenizer, start)
        if all(joint[: len(ids)] == ids for joint in whole):
            return Prefix(ids, start, label, separator[moved:])
    raise UserError(f"no token ends with {text[-20:]!r} in this tokenizer; end the prefix in another way.")


def encode(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Token ids by the tokenizer's own convention; a long text is no reason to warn."""
    return tuple(tokenizer.encode(text, verbose=False))
