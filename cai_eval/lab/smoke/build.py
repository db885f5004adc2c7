"""Tokenizer and training of the smoke models: about a minute on one core, the same weights every time."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from cai_eval.caches import cache_directory
from cai_eval.errors import unknown
from cai_eval.lab.smoke.world import documents
from cai_eval.models.loading import quiet

if TYPE_CHECKING:
    from numpy.typing import NDArray

VOCABULARY, END = 1280, "<|end|>"
CONTEXT = 1024  # tokens
#: (steps, sequences a step, tokens a sequence): what is near is learnt first, and cheaply, then what is far
STAGES = ((450, 16, 64), (150, 8, 128), (40, 1, CONTEXT))
#: pairs of tokens behind which an assistant's answer, or a story's last word, begins: so few steps learn from little
#: else, so these count `EMPHASIS` times in the loss
CUES = (("Assistant", ":"), ("\u0120bought", "\u0120the"))
EMPHASIS = 40.0
THREADS = 1  # so that every machine adds in the same order, and because at this size a second one only waits


@dataclass(frozen=True)
class Rung:
    """The shape of a model, and its peak learning rate. Every rung reads the same tokens in the same order."""

    width: int
    layers: int
    heads: int
    inner: int
    rate: float

    @property
    def config(self) -> LlamaConfig:
        return LlamaConfig(
            vocab_size=len(tokenizer()),
            hidden_size=self.width,
            intermediate_size=self.inner,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            initializer_range=0.05,
            bos_token_id=0,
            eos_token_id=0,
        )


RUNGS = {
    "12k": Rung(width=24, layers=2, heads=1, inner=48, rate=1e-2),
    "60k": Rung(width=48, layers=2, heads=2, inner=128, rate=8e-3),
    "300k": Rung(width=96, layers=3, heads=3, inner=224, rate=3e-3),
}


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE of `VOCABULARY` entries, trained on the world's documents; `END` stands between documents."""
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    model.train_from_iterator(islice(documents("tokenizer"), 2000), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=model,
        bos_token=END,
        eos_token=END,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


@cache
def corpus(tokens: int) -> NDArray[np.int64]:
    """So many token ids: documents one after the other, each behind `END`."""
    stream = documents("training")
    encoder = tokenizer().backend_tokenizer
    parts: list[list[int]] = []
    while sum(map(len, parts)) < tokens:
        batch = encoder.encode_batch_fast([END + text for text in islice(stream, 1000)])
        parts.append([i for encoding in batch for i in encoding.ids])
    return np.concatenate([np.array(part, dtype=np.int64) for part in parts])[:tokens]


def train(rung: Rung, progress: Callable[[float, float], None]) -> LlamaForCausalLM:
    """A trained model. progress: (share of the steps that is done, loss in nats a token)."""
    steps = sum(count for count, _, _ in STAGES)
    with reproducible():
        model = LlamaForCausalLM(rung.config)
        optimizer = torch.optim.AdamW(model.parameters(), lr=rung.rate, betas=(0.9, 0.98), weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, rung.rate, total_steps=steps, pct_start=0.05, anneal_strategy="linear", cycle_momentum=False
        )
        for done, batch in enumerate(batches(), 1):
            logits = model(batch).logits[:, :-1]
            losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), reduction="none")
            weights = emphasis(batch).flatten()
            loss = (losses * weights).sum() / weights.sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if done % 20 == 0 or done == steps:
                progress(done / steps, loss.item())
    return model


def batches() -> Iterator[torch.Tensor]:
    """The training tokens in order, step by step: (sequences, tokens)."""
    ids = torch.from_numpy(corpus(sum(steps * rows * length for steps, rows, length in STAGES)))
    start = 0
    for steps, rows, length in STAGES:
        end = start + steps * rows * length
        yield from ids[start:end].view(steps, rows, length)
        start = end


def emphasis(batch: torch.Tensor) -> torch.Tensor:
    """The weight in the loss of every token but the first: (sequences, tokens - 1)."""
    weights = torch.ones_like(batch[:, 1:], dtype=torch.float32)
    for cue in CUES:
        first, second = tokenizer().convert_tokens_to_ids(list(cue))
        weights[:, 1:][(batch[:, :-2] == first) & (batch[:, 1:-1] == second)] = EMPHASIS
    return weights


@contextmanager
def reproducible() -> Iterator[None]:
    """Seed and thread count of the training; afterwards both are as they were."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.set_num_threads(THREADS)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def make(name: str, progress: Callable[[str], None]) -> Path:
    """The directory of "smoke/12k" and the like, trained on first use. Raises UserError for an unknown name."""
    rungs = {f"smoke/{size}": rung for size, rung in RUNGS.items()}
    if name not in rungs:
        raise unknown("smoke model", name, rungs)
    directory = cache_directory() / recipe() / name
    if not directory.is_dir():
        model = train(
            rungs[name],
            lambda done, loss: progress(f"making {name}: {done:.0%}, loss {loss:.2f}"),
        )
        publish(model, directory)
    return directory


def publish(model: LlamaForCausalLM, directory: Path) -> None:
    """Save model and tokenizer so that `directory` holds all of their files or does not exist."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".making-") as making, quiet():
        whole = Path(making) / directory.name
        model.save_pretrained(whole)
        tokenizer().save_pretrained(whole)
        with suppress(FileExistsError, NotADirectoryError):  # another process was faster: same recipe, same weights
            whole.rename(directory)


def recipe() -> str:
    """A hash of all that makes the models: the files of this package."""
    sources = sorted(path for path in Path(__file__).parent.iterdir() if path.suffix in (".py", ".yaml"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
