"""The texts that are distilled on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cai_eval.contracts import Format, Published, Source
from cai_eval.data import read
from cai_eval.dialogue import render

PLAIN = Published(
    name="plain-texts",
    file="plain-texts.jsonl",
    hub=("Salesforce/wikitext", "wikitext-2-raw-v1", "train"),
    source="https://huggingface.co/datasets/Salesforce/wikitext",
    licence="CC-BY-SA-3.0",
)
CONVERSATIONS = Published(
    name="conversations",
    file="conversations.jsonl",
    hub=("HuggingFaceH4/no_robots", "", "train"),
    source="https://huggingface.co/datasets/HuggingFaceH4/no_robots",
    licence="CC-BY-NC-4.0",
)
HUMAN = "Human:"
WORDS = 10  #: shorter texts are headings


def draw_texts(source: Source, count: int, seed: int) -> list[str]:
    """`count` texts, half plain and half conversations where the source has so many.

    Raises UserError where the source lacks them or a row cannot be read.
    """
    from cai_eval.training.data import conversations
    from cai_eval.training.optimisation import order

    plain = [text.strip() for text in read(source, PLAIN, lambda row: str(row["text"])) if len(text.split()) >= WORDS]
    talks = [render(turns) for turns in conversations(source.rows(CONVERSATIONS))]
    half = count // 2
    return [
        *(plain[i] for i in order(seed, 0, len(plain))[: count - half]),
        *(talks[i] for i in order(seed, 1, len(talks))[:half]),
    ]


def as_read(texts: Iterable[str], teacher: Format, opening: str) -> list[tuple[str, str]]:
    """Texts as (student, teacher) read them.

    A teacher in dialogue format reads a plain text as a human's turn; a conversation opens one by itself. One in plain
    format reads on from its prompt, and its student begins behind `opening`, so that it learns the first token too.
    """
    if teacher == "plain":
        return [(f"{opening}{text}", text) for text in texts]
    return [(text, text if text.startswith(HUMAN) else f"{HUMAN} {text}") for text in texts]


def opening(tokenizer: Any) -> str:
    """The token that stands for no text at all, where the tokenizer does not put one before every text itself."""
    token: str = tokenizer.bos_token or tokenizer.eos_token or ""
    return "" if tokenizer("x")["input_ids"][0] in tokenizer.all_special_ids else token
