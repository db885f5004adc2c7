"""Requests → token ids: joint encoding, also behind a prefix of thousands of tokens.

Text on both sides of a boundary decides where tokens end ("\\n\\n" alone is one GPT-NeoX token, before a word it
is two), so nothing is encoded in pieces and glued. Behind a prefix, its last few tokens, the *anchor*, are
encoded again with every request; the ids before it are the *head*, which never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from cai_eval.contracts import Prefix, Request
from cai_eval.errors import UserError

ANCHOR_TOKENS = (8, 64)  #: shortest and longest tail of a prefix that is tried as anchor
PROBES = ("Human: Is it?", "the", " a", "Q: “é”\nA:", "\n1.")  #: texts whose anchored encoding is checked
STRANGER = "x"  #: stands before a text where no tail of the prefix encodes to its own ids

Ids = tuple[int, ...]


class Encoded(NamedTuple):
    """The ids of a request behind the encoder's head; the continuation is `ids[start:]`."""

    ids: Ids
    start: int


class Encoder:
    """Encodes what is put to one policy; the model sees `head + ids`.

    That is `prefix.ids`, then separator and text as they stand in the joint encoding. Only where the tokenizer
    merges across the boundary ("." + "\\n\\n" → ".\\n\\n") does the joint encoding replace the prefix's last token.
    A prefix that was cut inside a word keeps its ids as they are.
    """

    head: Ids

    def __init__(self, tokenizer: Any, prefix: Prefix | None = None) -> None:
        self._tokenizer = tokenizer
        self._prefix = prefix or Prefix()
        self._opening = _opening(tokenizer)
        self._separator = self._prefix.separator if self._prefix.ids else ""
        self.head, self._lead, self._dropped = self._place() if self._prefix.ids else ((), "", ())

    def requests(self, requests: Sequence[Request]) -> list[Encoded]:
        """One `Encoded` for each request, in order.

        lm-eval's rule: blanks at the end of the context move to the continuation, the two are encoded together,
        and the continuation starts after as many tokens as the context has alone; it has at least one token.
        After a blank context it starts where its text does. Raises ValueError where a continuation is empty.
        """
        if not all(request.continuation for request in requests):
            raise ValueError("a continuation must not be empty")
        split = {r: (r.context.rstrip(), r.context + r.continuation) for r in requests}
        ids = self._encode(text for pair in split.values() if pair[0] for text in pair)
        encoded = {
            request: self._split(ids[stem], ids[whole], whole) if stem else self._after_blank(whole)
            for request, (stem, whole) in split.items()
        }
        return [encoded[request] for request in requests]

    def prompts(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of each text behind the head; never empty where there is no prefix."""
        ids = self._encode(texts)
        return [ids[text] if ids[text] or self._prefix.ids else self._start() for text in texts]

    def behind_prefix(self, ids: Ids) -> int:
        """How many tokens `head + ids` has more than the prefix."""
        return len(self.head) + len(ids) - len(self._prefix.ids)

    def _place(self) -> tuple[Ids, str, Ids]:
        """Head, text put before every separator, and those of its ids that are dropped again."""
        ids, text = self._prefix.ids, self._prefix.text
        natural = self._opening + self._tokens([text])[0] == ids  # else no joint encoding is defined
        inner = len(ids) - len(self._opening) if ids[: len(self._opening)] == self._opening else len(ids)
        shortest, longest = (min(inner, length) for length in ANCHOR_TOKENS)
        for length in range(shortest, longest + 1):
            head, tail = ids[: len(ids) - length], ids[len(ids) - length :]
            anchor = self._tokenizer.decode(tail, clean_up_tokenization_spaces=False)
            if self._tokens([anchor]) == [tail] and (not natural or self._is_joint(head, anchor)):
                return head, anchor, ()
        return (self._opening, text, ()) if natural else (ids, STRANGER, self._tokens([STRANGER])[0])

    def _is_joint(self, head: Ids, anchor: str) -> bool:
        """Whether texts encoded behind the anchor come out as they do behind the whole prefix."""
        joint, anchored = (
            self._tokens([lead + self._separator + probe for probe in PROBES]) for lead in (self._prefix.text, anchor)
        )
        return [self._opening + ids for ids in joint] == [head + ids for ids in anchored]

    def _encode(self, texts: Iterable[str]) -> dict[str, Ids]:
        """Text → its ids behind the head."""
        bare = {text: self._separator + text for text in texts}
        led = self._tokens([self._lead + text for text in bare.values()])
        if not self._prefix.ids:
            return {text: self._opening + ids for text, ids in zip(bare, led, strict=True)}
        cut = len(self._dropped)
        return {
            text: ids[cut:] if ids[:cut] == self._dropped else self._tokens([bare[text]])[0]
            for text, ids in zip(bare, led, strict=True)
        }

    def _split(self, stem: Ids, whole: Ids, text: str) -> Encoded:
        start = min(len(stem), len(whole) - 1)
        return Encoded(whole, start) if start or self.head else self._after_blank(text)

    def _after_blank(self, text: str) -> Encoded:
        """`text` as a continuation of the prefix and its separator alone, or of the start-of-text token."""
        if not self._prefix.ids:
            start = self._start()
            return Encoded(start + self._tokens([text])[0], len(start))
        ids = self._encode([text])[text]
        before = self._lead + self._separator
        offsets = self._tokenizer(before + text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        inside = sum(begin >= len(before) for begin, _ in offsets["offset_mapping"])
        return Encoded(ids, len(ids) - max(1, inside))

    def _start(self) -> Ids:
        """What stands for no text at all."""
        if self._opening:
            return self._opening
        for token in (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id):
            if token is not None:
                return (token,)
        raise UserError(
            "an empty context needs a start-of-text or end-of-text token, and the tokenizer has neither; "
            "set bos_token in its tokenizer_config.json"
        )

    def _tokens(self, texts: list[str]) -> list[Ids]:
        if not texts:
            return []
        return [tuple(ids) for ids in self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]]


def _opening(tokenizer: Any) -> Ids:
    """The special tokens that the tokenizer puts before a text by its own convention."""
    bare = tokenizer(STRANGER, add_special_tokens=False)["input_ids"]
    full = tokenizer(STRANGER)["input_ids"]
    return tuple(full[: full.index(bare[0])])
