"""What a model is, whatever its path: one hash over configuration, weights and tokenizer."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import time
from pathlib import Path

from cai_eval.caches import cache_directory
from cai_eval.models.files import ModelFiles, model_files, read_json, tensors

IGNORED = {  #: keys that say where a file came from, not what it means
    "_name_or_path",
    "is_local",
    "local_files_only",
    "name_or_path",
    "tokenizer_file",
    "transformers_version",
}
CHUNK = 1 << 22  # bytes


def fingerprint(model: str) -> str:
    """sha256 (hex) over the contents of a model's configuration, weights and tokenizer.

    Two copies agree wherever they lie, and so do a single file and shards of the same tensors. Remembered
    per user for unchanged files (path, size, times). Raises UserError where a file is missing or damaged.
    """
    files = model_files(model)
    note = cache_directory() / "fingerprints" / _signature(files)
    known = _read(note)
    if known is None:
        known = _contents(files)
        if _settled(files):
            _write(note, known)
    return known


def _contents(files: ModelFiles) -> str:
    parts = {path.name: _file_digest(path) for path in (*files.settings, *files.tokenizer)}
    for path in files.weights:
        if path.suffix == ".safetensors":
            parts.update(_tensor_digests(path))
        else:
            parts[path.name] = _bytes_digest(path, 0, path.stat().st_size)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    """Of JSON the meaning, without the keys that say where it came from; of anything else the bytes."""
    if path.suffix == ".json":
        data = {key: value for key, value in read_json(path).items() if key not in IGNORED}
        content = json.dumps(data, sort_keys=True).encode()
    else:
        content = path.read_bytes()
    return hashlib.sha256(content).hexdigest()


def _tensor_digests(path: Path) -> dict[str, str]:
    """Tensor name → dtype, shape and hash of the values."""
    return {
        f"tensor {name}": f"{header['dtype']} {header['shape']} {_bytes_digest(path, *header['data_offsets'])}"
        for name, header in sorted(tensors(path).items(), key=lambda entry: entry[1]["data_offsets"])
    }


def _bytes_digest(path: Path, start: int, end: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(start)
        while start < end:
            chunk = file.read(min(CHUNK, end - start))
            digest.update(chunk)
            start += len(chunk)
    return digest.hexdigest()


def _signature(files: ModelFiles) -> str:
    stats = [(str(path.resolve()), path.stat()) for path in (*files.settings, *files.tokenizer, *files.weights)]
    parts = [(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for path, stat in stats]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _settled(files: ModelFiles) -> bool:
    """No file is so new that another write could leave it with the same times and size."""
    newest = max(path.stat().st_mtime for path in (*files.settings, *files.tokenizer, *files.weights))
    return time.time() - newest > 2.0


def _read(note: Path) -> str | None:
    try:
        text = note.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return text if re.fullmatch("[0-9a-f]{64}", text) else None


def _write(note: Path, text: str) -> None:
    """Best effort: a cache that cannot be written costs time, nothing else."""
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=note.parent)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
        os.replace(name, note)
    except OSError:
        return
