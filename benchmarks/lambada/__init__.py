"""LAMBADA, OpenAI's version: the last word of 5,153 passages (Paperno et al. 2016; Radford et al. 2019).

Right where every token of the word is the most probable one; the loss of the word in nats (its mean,
exponentiated, is the perplexity that others report). The word is what follows the last blank, as in lm-eval, so
that seven targets hold a line break.

Formats (Askell et al. 2021, App. B.4): the passage alone; in a dialogue, a human asks for a story and the
assistant gives it; `cloze`, the passage with a blank for the word, then an arrow, worth asking with `shots`
examples. Examples are the first passages of the file, the same for every item, and are not scored themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from pydantic import BaseModel, Field

from cai_eval.contracts import (
    Item,
    Kind,
    Metric,
    Policy,
    Published,
    Record,
    Request,
    Scored,
    Scorer,
    Source,
)
from cai_eval.data import Row, distinct, item_id, read
from cai_eval.dialogue import Turn, awaiting_reply, render
from cai_eval.scoring import score_items

PASSAGES = Published(
    name="lambada",
    file="lambada_test.jsonl",
    sha256="4aa8d02cd17c719165fc8a7887fddd641f43fcafa4b1c806ca8abc31fabdb226",
    hub=("EleutherAI/lambada_openai", "default", "test"),
    source="https://github.com/openai/gpt-2 (lambada_test.jsonl)",
)

ASK_STORY = "Could you tell me a short story?"
LEAD_IN = "With pleasure, here is one."
ASK_WORD = "Which word belongs in the blank?"


class Lambada:
    """See the module."""

    name: ClassVar[str] = "lambada"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "LAMBADA, last word"
    data: ClassVar[tuple[Published, ...]] = (PASSAGES,)
    accepts: ClassVar[frozenset[Kind]] = frozenset({"policy"})

    class Config(BaseModel, frozen=True, extra="forbid"):
        """cloze: ask for the word of a blank. shots: examples before each item."""

        cloze: bool = False
        shots: int = Field(default=0, ge=0, le=100)

    def __init__(self, config: Config) -> None:
        self.cloze = config.cloze
        self.shots = config.shots

    def metrics(self) -> Sequence[Metric]:
        return [
            Metric("accuracy", "last-word accuracy", chance=0.0, primary=True),
            Metric("loss", "last-word perplexity", unit="nats", higher_is_better=False, transform="exp"),
        ]

    def items(self, source: Source) -> list[Item]:
        passages = read(source, PASSAGES, split)
        examples, asked = passages[: self.shots], passages[self.shots :]
        clusters = [item_id(text, word) for text, word in asked]
        return [
            Item(unique, cluster, "", {"text": text, "word": word, "examples": examples})
            for (text, word), cluster, unique in zip(asked, clusters, distinct(clusters), strict=True)
        ]

    def evaluate(self, subject: Policy | Scorer, items: Sequence[Item]) -> Iterator[Record]:
        assert isinstance(subject, Policy)
        context = {
            ("plain", False): passage,
            ("plain", True): cloze,
            ("dialogue", False): told_passage,
            ("dialogue", True): asked_cloze,
        }[subject.format, self.cloze]

        def ask(item: Item) -> list[Request]:
            data = item.data
            return [Request(context(data["text"], data["examples"]), f" {data['word']}")]

        return score_items(subject, items, ask, judge)


def split(row: Row) -> list[str]:
    """The passage without its last word, and the word."""
    text, _, word = row["text"].rpartition(" ")
    if not text or not word:
        raise ValueError("no last word")
    return [text, word]


def judge(item: Item, asked: Sequence[Request], scored: Sequence[Scored]) -> Record:
    """Record of one passage from the score of its last word."""
    (score,) = scored
    word = item.data["word"]
    return Record(
        item.id,
        item.cluster,
        item.category,
        scores={"accuracy": float(score.greedy), "loss": -score.total},
        prompt=asked[0].context,
        answer=word if score.greedy else "(another word)",
        reference=word,
        details={"logprobs": list(score.logprobs)},
    )


Examples = Sequence[Sequence[str]]  #: (text, word) of each


def passage(text: str, examples: Examples) -> str:
    """Passages as they are, a blank line apart."""
    return "\n\n".join([*(f"{text} {word}" for text, word in examples), text])


def cloze(text: str, examples: Examples) -> str:
    """A blank for the word, then an arrow that the word follows (lm-eval's `lambada_openai_cloze_yaml`)."""
    return "\n\n".join([*(f"{text} ____. -> {word}" for text, word in examples), f"{text} ____. ->"])


def told_passage(text: str, examples: Examples) -> str:
    """The assistant tells the passage; each example is an exchange of its own."""
    told = [*(f"{text} {word}" for text, word in examples), text]
    return render(
        turn for story in told for turn in (Turn("Human", ASK_STORY), Turn("Assistant", f"{LEAD_IN}\n\n{story}"))
    )


def asked_cloze(text: str, examples: Examples) -> str:
    """The human shows the passage with a blank and asks for the word; each example is an exchange of its own."""
    turns = [
        turn
        for text, word in examples
        for turn in (Turn("Human", f"{text} ____.\n\n{ASK_WORD}"), Turn("Assistant", word))
    ]
    return awaiting_reply([*turns, Turn("Human", f"{text} ____.\n\n{ASK_WORD}")])
