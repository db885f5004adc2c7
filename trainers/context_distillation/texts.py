"""The texts that are distilled on."""

from __future__ import annotations

from cai_eval.contracts import Published, Source
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
WORDS = 10  #: shorter texts are headings


def draw_texts(source: Source, count: int, seed: int) -> list[tuple[str, str]]:
    """`count` texts as (student, teacher) read them, half of either kind where the source has so many.

    A plain text stands before the teacher as a human's turn; a conversation opens one by itself. Raises UserError where
    the source lacks the texts or a row cannot be read.
    """
    from cai_eval.training.data import conversations
    from cai_eval.training.optimisation import order

    plain = [text.strip() for text in read(source, PLAIN, lambda row: str(row["text"])) if len(text.split()) >= WORDS]
    talks = [render(turns) for turns in conversations(source.rows(CONVERSATIONS))]
    half = count // 2
    return [
        *((plain[i], f"Human: {plain[i]}") for i in order(seed, 0, len(plain))[: count - half]),
        *((talks[i], talks[i]) for i in order(seed, 1, len(talks))[:half]),
    ]
