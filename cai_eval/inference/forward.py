"""One forward pass: logits only where a target is predicted, log-softmax in float32, batches that fit in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Ints = NDArray[np.int64]
T = TypeVar("T")

#: Logits made by one forward pass, in elements.
LOGITS = 1 << 26
#: Logits that the log-softmax copies at once, in elements.
SOFTMAX = 1 << 22


@dataclass
class Usage:
    """What an engine has done so far.

    sent: tokens through the model, padding and segments included. unique: distinct tokens that the requests held,
    summed over calls. cache_bytes: most keys and values held in segments at once. seconds: spent in `logprobs`.
    """

    sent: int = 0
    unique: int = 0
    cache_bytes: int = 0
    seconds: float = 0.0


def vocabulary(model: Any) -> int:
    """Number of tokens that the model's output head tells apart; 1 where it has none."""
    head = model.get_output_embeddings()
    return 1 if head is None else int(head.weight.shape[0])


@contextlib.contextmanager
def predicting_at(model: Any, points: Tensor) -> Iterator[None]:
    """Forward passes inside give logits [1, points, vocabulary]: the head runs on these hidden states alone.

    points: indices into the flattened [batch * length]. What a model does after its head stays as it is.
    """

    def select(_: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        return (inputs[0].flatten(0, -2)[points.to(inputs[0].device)][None],)

    hook = model.get_output_embeddings().register_forward_pre_hook(select)
    try:
        yield
    finally:
        hook.remove()


def score(logits: Tensor, which: Ints, ids: Ints) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Log-probabilities (nats) of the tokens ids[i] under logits[which[i]], and whether each is the first maximum.

    logits: [points, vocabulary] of any floating type; the softmax is taken in float32 at least. A NaN is never greedy.
    """
    accumulator = torch.promote_types(logits.dtype, torch.float32)
    step = max(1, SOFTMAX // logits.shape[-1])
    points, targets = (torch.from_numpy(a).to(logits.device) for a in (which, ids))
    lse = torch.cat([part.to(accumulator).logsumexp(-1) for part in torch.split(logits, step)])
    values = logits[points, targets].to(accumulator) - lse[points]
    greedy = (logits.argmax(-1)[points] == targets) & ~values.isnan()
    return values.double().cpu().numpy(), greedy.cpu().numpy()


class Budget:
    """How much goes through the model at once: found from the memory at hand, halved on out-of-memory, remembered."""

    def __init__(self, model: Any, tokens: int | None) -> None:
        self.tokens = tokens or _fitting(model)
        self.points = max(1, LOGITS // vocabulary(model))

    def run(
        self,
        items: Sequence[T],
        size: Callable[[T], int],
        points: Callable[[T], int],
        work: Callable[[list[T]], None],
    ) -> None:
        """Call `work` on consecutive batches of `items`, longest first, so that padded tokens and points fit.

        size: tokens of an item. points: its predictions. `work` must be free to be called again after a failure.
        """
        left = sorted(items, key=size, reverse=True)
        while left:
            batch = self._take(left, size, points)
            try:
                work(batch)
                del left[: len(batch)]
            except RuntimeError as error:
                if len(batch) == 1 or not out_of_memory(error):
                    raise
                self.tokens = max(1, len(batch) * size(batch[0]) // 2)
                self.points = max(1, min(self.points, sum(map(points, batch)) // 2))

    def _take(self, left: Sequence[T], size: Callable[[T], int], points: Callable[[T], int]) -> list[T]:
        most = max(1, self.tokens // size(left[0]))
        total = 0
        batch: list[T] = []
        for item in left[:most]:
            total += points(item)
            if batch and total > self.points:
                break
            batch.append(item)
        return batch


def out_of_memory(error: RuntimeError) -> bool:
    """Whether the device, or the host's allocator, had no more memory."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _fitting(model: Any) -> int:
    """Padded tokens a batch whose activations take a quarter of the free memory by a rough count, 256 to 16,384.

    On a processor 4,096: it gains nothing from more, and the activations stay small beside any model's weights.
    """
    device = next(model.parameters()).device
    if device.type != "cuda":
        return 4096
    free, _ = torch.cuda.mem_get_info(device)
    # Some 24 vectors of the hidden width live at once in a layer: residual, queries, keys, values, a gated MLP.
    per_token = 24 * model.config.get_text_config().hidden_size * model.dtype.itemsize
    return int(min(max(free // 4 // per_token, 256), 16_384))
