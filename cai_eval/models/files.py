"""The files of a model: in a directory that `save_pretrained` wrote, or fetched from the hub into its cache."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cai_eval.errors import UserError

CONFIG = "config.json"
SETTINGS = (CONFIG, "generation_config.json")
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
)
VOCABULARY = ("vocab.json", "merges.txt", "vocab.txt", "tokenizer.model", "spiece.model")  #: before tokenizer.json
WEIGHTS = ("model.safetensors", "pytorch_model.bin")  #: in the order in which from_pretrained looks


@dataclass(frozen=True)
class ModelFiles:
    """What is loaded and what is hashed: the same files. weights: one file, or all shards."""

    directory: Path
    settings: tuple[Path, ...]
    tokenizer: tuple[Path, ...]
    weights: tuple[Path, ...]


def model_files(model: str) -> ModelFiles:
    """Every file of a model, fetched where it is a hub id.

    Raises UserError: no such path, a hub id that cannot be had, no weights, a missing or truncated shard.
    """
    directory = config_file(model).parent
    weights = _weights(model)
    for path in weights:
        if path.suffix == ".safetensors":
            tensors(path)
    return ModelFiles(directory, _present(model, SETTINGS), _tokenizer(model), weights)


def tokenizer_directory(model: str) -> Path:
    """Where the tokenizer's files lie, with or without a model. Raises UserError where there are none."""
    present = _tokenizer(model)
    if not present:
        config_file(model)  # says more, where there is no model at all
        raise UserError(f"{model!r} has no tokenizer: put its tokenizer files beside {CONFIG}.")
    return present[0].parent


def config_file(model: str) -> Path:
    """The path of config.json. Raises UserError."""
    path = find(model, CONFIG)
    if path is None:
        raise UserError(f"{model!r} has no {CONFIG}: name a model that save_pretrained wrote.")
    return path


def find(model: str, name: str) -> Path | None:
    """A file of a model, fetched where it is a hub id; None where the model has none. Raises UserError.

    All files of a hub id are of one revision, that of its config.json.
    """
    directory = Path(model).expanduser()
    if directory.is_dir():
        return directory / name if (directory / name).is_file() else None
    if directory.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1 or directory.exists():
        raise UserError(f"model path {model!r} is not a directory: give one that save_pretrained wrote, or a hub id.")
    config = _fetch(model, CONFIG, None)
    if name == CONFIG or config is None:
        return config
    return _fetch(model, name, config.parent.name)


@cache
def _fetch(model: str, name: str, revision: str | None) -> Path | None:
    """A file of a hub id in the hub's cache, asked for once a process."""
    from huggingface_hub import errors, hf_hub_download

    try:
        return Path(hf_hub_download(model, name, revision=revision))
    except errors.LocalEntryNotFoundError:
        if name != CONFIG:
            return None  # out of reach, or never there: an offline cache cannot tell
        raise UserError(
            f"model {model!r} is neither a directory here nor in the local Hugging Face cache, and the hub cannot "
            "be reached: give a local path, or connect and run again."
        ) from None
    except errors.EntryNotFoundError:
        return None
    except errors.GatedRepoError:
        raise UserError(f"model {model!r} is gated: accept its licence on the hub and run `hf auth login`.") from None
    except errors.RepositoryNotFoundError:
        raise UserError(f"the hub has no model {model!r}: check the spelling (owner/name).") from None
    except errors.HFValidationError:
        raise UserError(f"{model!r} is neither a directory here nor a hub id (owner/name).") from None
    except OSError as error:  # the hub's other refusals, and a full disk
        raise UserError(f"{name} of model {model!r} cannot be fetched ({error}): try again later.") from error


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises UserError where it is damaged."""
    try:
        data = json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): fetch or save it again.") from None
    if not isinstance(data, dict):
        raise UserError(f"{path} is damaged (no JSON object): fetch or save it again.")
    return data


def tensors(path: Path) -> dict[str, dict[str, Any]]:
    """The header of a safetensors file: name → dtype, shape, data_offsets from the start of the file.

    Raises UserError where the file is truncated or not safetensors.
    """
    damaged = UserError(f"the weights in {path} are truncated or damaged: fetch or save them again.")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or 8 + length > size:
            raise damaged
        text = file.read(length)
    try:
        header: dict[str, dict[str, Any]] = json.loads(text)
        header.pop("__metadata__", None)
        for tensor in header.values():
            tensor["data_offsets"] = [8 + length + offset for offset in tensor["data_offsets"]]
        end = max((tensor["data_offsets"][1] for tensor in header.values()), default=8 + length)
    except (ValueError, AttributeError, KeyError, TypeError):
        raise damaged from None
    if end != size:
        raise damaged
    return header


def _weights(model: str) -> tuple[Path, ...]:
    for name in WEIGHTS:
        single = find(model, name)
        if single is not None:
            return (single,)
        index = find(model, f"{name}.index.json")
        if index is not None:
            shards = sorted(set(read_json(index).get("weight_map", {}).values()))
            paths = {shard: find(model, shard) for shard in shards}
            missing = [shard for shard, path in paths.items() if path is None]
            if missing:
                raise UserError(f"model {model!r} lacks its weights {', '.join(missing)}: fetch or save them again.")
            return tuple(path for path in paths.values() if path is not None)
    raise UserError(
        f"model {model!r} has no weights here ({' or '.join(WEIGHTS)}): fetch them, or name a directory that "
        "save_pretrained wrote."
    )


def _tokenizer(model: str) -> tuple[Path, ...]:
    """The files that a tokenizer is read from: tokenizer.json holds the vocabulary where there is one."""
    present = _present(model, TOKENIZER)
    if any(path.name == TOKENIZER[0] for path in present):
        return present
    return (*present, *_present(model, VOCABULARY))


def _present(model: str, names: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(path for name in names if (path := find(model, name)) is not None)
