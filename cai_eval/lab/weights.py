"""The finished rungs: model directories, the package data that ships them, and what proves that these are whole."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cai_eval.lab.tokenizer import SETTINGS

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"


@dataclass(frozen=True)
class Facts:
    """What is known of a trained rung, kept inside its weight file.

    tokens: that it has read. loss: on held-out documents, nats a token. recipe: the hash that its job had.
    """

    rung: str
    seed: int
    tokens: int
    loss: float
    recipe: str


def save(model: nn.Module, config: Mapping[str, Any], facts: Facts, tokenizer: str, directory: Path) -> None:
    """Write a model directory, whole or not at all; one that is there already stays."""
    from safetensors.torch import save_file

    with appearing(directory) as folder:
        metadata = {"format": "pt", "config": json.dumps(config), "facts": json.dumps(asdict(facts))}
        save_file(tensors(model), folder / WEIGHTS, metadata)
        write_settings(folder, config, tokenizer)


def tensors(model: nn.Module) -> dict[str, Tensor]:
    """Every weight once: the output head is the embedding."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    del state["lm_head.weight"]
    return state


def write_settings(folder: Path, config: Mapping[str, Any], tokenizer: str) -> None:
    """Everything of a model directory but the weights. tokenizer: in its JSON form."""
    (folder / CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")
    (folder / TOKENIZER).write_text(tokenizer, encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(SETTINGS, indent=1), encoding="utf-8")


@contextmanager
def appearing(directory: Path) -> Iterator[Path]:
    """A folder to write to, which becomes `directory` at the end unless another process was faster."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".making-") as making:
        folder = Path(making) / directory.name
        folder.mkdir()
        yield folder
        try:
            folder.rename(directory)
        except OSError:
            if not directory.is_dir():
                raise
