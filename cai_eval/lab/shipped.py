"""The finished rungs: model directories, the package data that ships them, and what proves that it is whole."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cai_eval.caches import cache_directory
from cai_eval.errors import UserError, unknown
from cai_eval.lab.recipe import name_of
from cai_eval.lab.tokenizer import SETTINGS
from cai_eval.models.ladder import Origin, Rung, ladder_path, load_ladder
from cai_eval.training.sealed import writing

if TYPE_CHECKING:
    from torch import Tensor

SHELF = Path(__file__).with_name("weights")  #: one file a rung, and the tokenizer that all of them share
LIMIT = 24_000_000  #: bytes that the shelf may take
LADDERS = {
    "lab": "the laboratory: small models of a made-up world whose truth is known, not a benchmark of anybody's model",
    "lab-seeds": "the laboratory with every initialisation of every rung",
}
WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"


@dataclass(frozen=True)
class Facts:
    """What is known of a trained rung; it travels inside the weight file.

    tokens: that it has read. loss: on held-out documents, nats a token. recipe, corpus: digests of how and of what it
    has read. tokenizer: sha256 of its JSON form.
    """

    rung: str
    seed: int
    tokens: int
    loss: float
    recipe: str
    corpus: str
    tokenizer: str


def save(
    tensors: Mapping[str, Tensor], config: Mapping[str, Any], facts: Facts, tokenizer: str, directory: Path
) -> None:
    """Write a model directory, whole or not at all. config: of config.json. tokenizer: in its JSON form."""
    with _appearing(directory) as folder:
        write_weights(tensors, config, facts, folder / WEIGHTS)
        _write_settings(folder, config, tokenizer)


def write_weights(tensors: Mapping[str, Tensor], config: Mapping[str, Any], facts: Facts, path: Path) -> None:
    """A weight file that says itself what it is. The output head is the embedding, and left out."""
    from safetensors.torch import save

    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items() if name != "lm_head.weight"}
    metadata = {"format": "pt", "config": json.dumps(config), "facts": json.dumps(asdict(facts))}
    path.write_bytes(_settled(save(kept, metadata)))


def _settled(content: bytes) -> bytes:
    """A weight file with sorted metadata, which the library writes in any order: the same weights, the same bytes."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[end:]


def describe(path: Path) -> tuple[dict[str, Any], Facts]:
    """The configuration and the facts in a weight file. Raises UserError where it is none, or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata()
        return json.loads(metadata["config"]), Facts(**json.loads(metadata["facts"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        raise UserError(
            f"{path.parent} holds no model of a laboratory, or a damaged one: name one that `cai-eval lab build` made, "
            "or delete it and build it again."
        ) from None


def publish(built: Path) -> None:
    """Put the models under a directory that `cai-eval lab build` filled on the shelf, in float16, and name them in the
    ladders.

    Raises UserError where there are none, where they are not of one tokenizer, one recipe and one corpus, where a size
    lacks its first initialisation, or where they take too much room.
    """
    import torch
    from safetensors.torch import load_file

    models = {path.parent: describe(path) for path in sorted(built.glob(f"*/model/{WEIGHTS}"))}
    tokenizers = {path.read_bytes() for path in built.glob(f"*/model/{TOKENIZER}")}
    known = [facts for _, facts in models.values()]
    if len(tokenizers) != 1 or len({(facts.recipe, facts.corpus) for facts in known}) != 1:
        raise UserError(
            f"{built} does not hold models of one tokenizer, one recipe and one corpus: name a directory that "
            "`lab build` filled, one level below its --out."
        )
    if lacking := {facts.rung for facts in known} - {facts.rung for facts in known if facts.seed == 0}:
        raise UserError(f"{built} lacks seed 0 of {', '.join(sorted(lacking))}: build it first.")
    with _appearing(SHELF, replacing=True) as folder:
        (folder / TOKENIZER).write_bytes(*tokenizers)
        for model, (config, facts) in models.items():
            halves = {name: tensor.to(torch.float16) for name, tensor in load_file(model / WEIGHTS).items()}
            write_weights(halves, config, facts, folder / weight_file(name_of(facts.rung, facts.seed)).name)
        size = sum(path.stat().st_size for path in folder.iterdir())
        if size > LIMIT:
            raise UserError(f"the models in {built} take {size:,} bytes of {LIMIT:,}: build fewer or smaller ones.")
    write_ladders()


def write_ladders() -> None:
    """The YAML files of `LADDERS`, from what lies on the shelf."""
    import yaml

    rungs = sorted(
        (_rung(path) for path in SHELF.glob("*.safetensors")), key=lambda rung: (rung.parameters, rung.label)
    )
    for name, title in LADDERS.items():
        chosen = [asdict(rung) for rung in rungs if name == "lab-seeds" or (rung.origin and rung.origin.seed == 0)]
        ladder = {"name": name, "title": title, "source": "lab", "rungs": chosen}
        text = "# Written by `cai-eval lab publish`; parameters: non-embedding; loss: nats a token, held out\n"
        path = ladder_path(name)
        with writing(path.name, path.parent):
            part = path.with_suffix(".part")
            part.write_text(text + yaml.safe_dump(ladder, sort_keys=False, width=120), encoding="utf-8")
            part.replace(path)


def _rung(path: Path) -> Rung:
    from transformers import Qwen3Config

    from cai_eval.models.parameters import non_embedding

    config, facts = describe(path)
    qwen = Qwen3Config(**config)
    origin = Origin(facts.seed, facts.tokens, facts.loss, facts.recipe, facts.corpus, checksum(path))
    return Rung(f"lab/{path.stem}", path.stem, non_embedding(qwen), qwen.max_position_embeddings, origin)


def shipped() -> dict[str, Rung]:
    """Name → what the ladder says of it."""
    return {rung.model: rung for rung in load_ladder("lab-seeds").rungs}


def unpack(name: str) -> Path:
    """The directory of a shipped model ("lab/98k"), made in the cache on first use.

    Raises UserError for an unknown name and for weights, there or here, that are not those the ladder names.
    """
    rungs = shipped()
    if name not in rungs:
        raise unknown("laboratory model", name, rungs)
    label, origin = rungs[name].label, rungs[name].origin
    assert origin is not None
    source = weight_file(label)
    check(source, origin, "install cai-eval again")
    directory = cache_directory() / "lab" / "models" / origin.sha256[:16] / label
    if not directory.is_dir():
        config, facts = describe(source)
        tokenizer = SHELF / TOKENIZER
        if checksum(tokenizer) != facts.tokenizer:
            raise UserError(f"{tokenizer} is not the tokenizer of {name!r}: install cai-eval again.")
        with _appearing(directory) as folder:
            shutil.copyfile(source, folder / WEIGHTS)
            _write_settings(folder, config, tokenizer.read_text(encoding="utf-8"))
    check(directory / WEIGHTS, origin, f"delete {directory}; it is made anew")
    return directory


def check(path: Path, origin: Origin, mend: str) -> None:
    """Raises UserError where a weight file is not the one that the ladder names."""
    if not path.is_file() or checksum(path) != origin.sha256:
        raise UserError(f"{path} is missing, truncated or changed: {mend}.")


def checksum(path: Path) -> str:
    """sha256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weight_file(label: str) -> Path:
    """Where the weights of "98k" and so on lie."""
    return SHELF / f"{label}.safetensors"


def _write_settings(folder: Path, config: Mapping[str, Any], tokenizer: str) -> None:
    """Everything of a model directory but the weights."""
    (folder / CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")
    (folder / TOKENIZER).write_text(tokenizer, encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(SETTINGS, indent=1), encoding="utf-8")


@contextmanager
def _appearing(directory: Path, *, replacing: bool = False) -> Iterator[Path]:
    """A folder to write to, which becomes `directory` at the end unless another process was faster.

    Raises UserError where the disk refuses.
    """
    with writing(directory.name, directory.parent):
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".making-") as making:
            folder = Path(making) / directory.name
            folder.mkdir()
            yield folder
            if replacing and directory.is_dir():
                directory.rename(Path(making) / "old")
            try:
                folder.rename(directory)
            except OSError:
                if not directory.is_dir():
                    raise
