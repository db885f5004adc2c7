"""From conversations and texts to token batches.

An example is one sequence of token ids and, for each, whether it is a target. Batches are padded at the right and a
pure function of the step, so that a training can go on anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from cai_eval.contracts import JSON
from cai_eval.dialogue import Conversation, Role, Turn, awaiting_reply, parse_turns, render
from cai_eval.errors import UserError
from cai_eval.inference.encoding import Encoder

from .optimisation import order

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: chat formats' names of our roles
ROLES: Mapping[str, Role] = {"user": "Human", "human": "Human", "assistant": "Assistant"}
MICRO_TOKENS = 8192  #: padded tokens in a micro-batch


@dataclass(frozen=True)
class Example:
    """ids: tokens, [length]. targets: which of them are predicted, [length]; never the first."""

    ids: NDArray[np.int64]
    targets: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)


def conversations(rows: Iterable[Mapping[str, JSON]]) -> list[Conversation]:
    """Rows {"text": "Human: …"} in this project's form, or {"messages": [{"role": "user", "content": …}, …]}.

    Raises UserError, naming the row, where it is neither or does not end with the assistant.
    """
    read = [_conversation(row, f"row {number}") for number, row in enumerate(rows, 1)]
    if not read:
        raise UserError("there is no conversation to train on: give a file with at least one row.")
    return read


def dialogue_examples(tokenizer: Any, dialogues: Sequence[Conversation], context: int) -> list[Example]:
    """One example a conversation: targets are the assistant's answers, and the end-of-text token behind the last.

    Answers begin where the same text is scored: behind as many tokens as their context has alone. Raises UserError
    where a conversation has more than `context` tokens, and where the tokenizer has no end-of-text token.
    """
    if tokenizer.eos_token_id is None:
        raise UserError("the tokenizer has no end-of-text token to end answers with: set eos_token.")
    cuts = [[i for i, turn in enumerate(turns) if turn.role == "Assistant"] for turns in dialogues]
    contexts = [[awaiting_reply(turns[:i]) for i in at] for turns, at in zip(dialogues, cuts, strict=True)]
    answered = [[render(turns[: i + 1]) for i in at] for turns, at in zip(dialogues, cuts, strict=True)]
    encoder = Encoder(tokenizer)
    texts = list(dict.fromkeys(text for group in (*contexts, *answered) for text in group))
    ids = dict(zip(texts, encoder.prompts(texts), strict=True))
    examples = []
    for number, (before, after) in enumerate(zip(contexts, answered, strict=True), 1):
        whole = (*ids[after[-1]], tokenizer.eos_token_id)
        _check_length(f"row {number}", len(whole), context)
        targets = np.zeros(len(whole), dtype=np.bool_)
        for start, end in zip(before, after, strict=True):
            targets[len(ids[start]) : len(ids[end])] = True
        targets[-1] = True
        examples.append(Example(np.array(whole), targets))
    return examples


def text_examples(tokenizer: Any, texts: Iterable[str], length: int) -> list[Example]:
    """Texts cut into windows of `length` tokens, an end-of-text token behind each text; all but first tokens count.

    A window begins with the last token of the one before it, so that every token is predicted once.
    """
    encoder = Encoder(tokenizer)
    end = () if tokenizer.eos_token_id is None else (tokenizer.eos_token_id,)
    examples = []
    for ids in encoder.prompts(list(texts)):
        whole = np.array((*ids, *end))
        for start in range(0, max(1, len(whole) - 1), length - 1):
            window = whole[start : start + length]
            examples.append(Example(window, np.arange(len(window)) > 0))
    return examples


def pad(sequences: Sequence[NDArray[Any]]) -> Tensor:
    """[rows, longest], zeros at the right."""
    padded = np.zeros((len(sequences), max(map(len, sequences))), dtype=sequences[0].dtype)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return torch.from_numpy(padded)


def collate(examples: Sequence[Example]) -> dict[str, Tensor]:
    """A batch as the objectives take it."""
    return {"input_ids": pad([e.ids for e in examples]), "targets": pad([e.targets for e in examples])}


def make_batches(
    lengths: Sequence[int], rows: int, seed: int, gather: Callable[[Sequence[int]], Mapping[str, Tensor]]
) -> Callable[[int], list[Mapping[str, Tensor]]]:
    """Step → its micro-batches: `rows` examples, taken in a new order each epoch, the longest together.

    lengths: tokens of each example. gather: indices of examples → their batch.
    """

    @lru_cache(maxsize=2)
    def epoch_order(epoch: int) -> NDArray[np.int64]:
        return order(seed, epoch, len(lengths))

    def batches(step: int) -> list[Mapping[str, Tensor]]:
        places = (divmod(place, len(lengths)) for place in range(step * rows, (step + 1) * rows))
        chosen = sorted((int(epoch_order(epoch)[i]) for epoch, i in places), key=lambda i: lengths[i], reverse=True)
        micro = []
        while chosen:
            most = max(1, MICRO_TOKENS // lengths[chosen[0]])
            micro.append(gather(chosen[:most]))
            chosen = chosen[most:]
        return micro

    return batches


def example_batches(examples: Sequence[Example], rows: int, seed: int) -> Callable[[int], list[Mapping[str, Tensor]]]:
    """`make_batches` of examples in memory."""
    lengths = [len(example) for example in examples]
    return make_batches(lengths, rows, seed, lambda chosen: collate([examples[i] for i in chosen]))


def _conversation(row: Mapping[str, JSON], where: str) -> Conversation:
    match row:
        case {"text": str(text)}:
            turns = parse_turns(text, where)
        case {"messages": [*messages]}:
            turns = tuple(_turn(message, where) for message in messages)
        case _:
            raise UserError(f'{where}: expected {{"text": "Human: …"}} or {{"messages": [{{"role": …}}, …]}}.')
    if not turns or turns[-1].role != "Assistant":
        raise UserError(f"{where}: the conversation does not end with the assistant; there is nothing to learn.")
    return turns


def _turn(message: JSON, where: str) -> Turn:
    match message:
        case {"role": str(role), "content": str(content)} if role in ROLES and content.strip():
            return Turn(ROLES[role], content.strip())
        case _:
            raise UserError(f"{where}: a message needs a role ({' or '.join(ROLES)}) and a content that is not empty.")


def _check_length(where: str, length: int, context: int) -> None:
    if length > context:
        raise UserError(f"{where} has {length:,} tokens and the model takes {context:,}: shorten it or take it out.")
