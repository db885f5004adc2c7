"""The run directory: what is on disk after each step, and what a kill then leaves.

    run.json                      resolved suite, versions, hardware, seeds, and the plan's cells
    cells/<hash>/journal.jsonl    records of an unfinished cell, appended and synced batch by batch; a CRC leads a line
    cells/<hash>/records.parquet  all records of a finished cell; published by rename
    cells/<hash>/cell.json        what the cell was, how it went, and the sha256 of its records; written last, so its
                                  presence means "finished"
    artefacts/<hash>/             what a trainer made; `artefact.json` is written last
    report/                       derived; can be redone from the rest

A `kill -9` loses the batch in flight: a torn last line of a journal is cut off on resume. Nothing is destroyed
before what replaces it is complete. Nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from cai_eval.contracts import Artefact, Record
from cai_eval.errors import UserError
from cai_eval.study.graph import artefact_from_json, artefact_json

FORMAT = 3  #: raised when an older program could misread a run directory, or this one an older
#: of a place that cannot be written to; ENOENT where even a new folder cannot be made, or where it was taken away,
#: EEXIST where a folder should be and a file is
REFUSALS = {
    errno.EACCES,
    errno.EEXIST,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOENT,
}
_TEXTS = ("item", "cluster", "category", "prompt", "answer", "reference", "error")
_SCORE = "score."
_MANIFEST = {"suite", "interventions", "rungs", "cells"}  #: what a report needs of run.json
#: what is left where a start failed at once, or where a damaged run.json was deleted
_OURS = {".lock", ".probe", "run.json.tmp", "cells", "artefacts", "report"}


class RunDirectory:
    """One study's directory. Open it with `create` (to run) or `read` (to report)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # -- opening ------------------------------------------------------------------------------------

    @classmethod
    def read(cls, path: Path) -> RunDirectory:
        """An existing run. Raises UserError where it is none, or from a newer version."""
        if not (path / "run.json").is_file():
            raise UserError(
                f"{str(path)!r} is not a run directory (no run.json): give the folder that `cai-eval run` named."
            )
        run = cls(path)
        manifest = run.manifest()
        found = manifest.get("format")
        if not isinstance(found, int) or found > FORMAT:
            raise UserError(
                f"{str(path)!r} was written by a newer cai-eval (format {found}, not {FORMAT}): update cai-eval."
            )
        if found < FORMAT:
            raise UserError(
                f"{str(path)!r} was written by an older cai-eval (format {found}, not {FORMAT}): choose another --out."
            )
        if lost := _MANIFEST - manifest.keys():
            raise UserError(
                f"{str(path / 'run.json')!r} lacks {', '.join(sorted(lost))}: delete it and run the same command again."
            )
        return run

    @classmethod
    def create(cls, path: Path, suite: str) -> RunDirectory:
        """A new run, or an old one of the same suite to go on with. Raises UserError."""
        if (path / "run.json").exists():
            run = cls.read(path)
            if run.manifest().get("suite", {}).get("name") != suite:
                other = run.manifest().get("suite", {}).get("name")
                raise UserError(f"{str(path)!r} holds a run of suite {other!r}, not {suite!r}: choose another --out.")
            return run
        if path.exists() and (not path.is_dir() or {file.name for file in path.iterdir()} - _OURS):
            raise UserError(f"{str(path)!r} exists and is not a run directory: choose another --out.")
        with disk_errors(path):
            path.mkdir(parents=True, exist_ok=True)
            probe = path / ".probe"
            probe.write_text("")
            probe.unlink()
        return cls(path)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for writing. Raises UserError where another process does."""
        with disk_errors(self.path), open(self.path / ".lock", "w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"another process is writing to {str(self.path)!r}: wait for it or choose another --out."
                ) from None
            yield

    # -- run.json -----------------------------------------------------------------------------------

    def manifest(self) -> dict[str, Any]:
        """run.json. Raises UserError where it is damaged."""
        return read_json(self.path / "run.json")

    def write_manifest(self, content: Mapping[str, Any]) -> None:
        publish_json(self.path / "run.json", {"format": FORMAT, **content})

    # -- cells --------------------------------------------------------------------------------------

    def cell(self, cell_hash: str) -> CellDirectory:
        return CellDirectory(self.path / "cells" / cell_hash)

    # -- artefacts ----------------------------------------------------------------------------------

    def artefact(self, node_hash: str) -> Artefact | None:
        """A stored artefact, or None where it is not finished. Paths inside the run directory are made absolute."""
        manifest = self.path / "artefacts" / node_hash / "artefact.json"
        if not manifest.is_file():
            return None
        data = read_json(manifest)["artefact"]
        for key in ("model", "path"):
            if key in data and (manifest.parent / data[key]).exists():
                data[key] = str(manifest.parent / data[key])
        return artefact_from_json(data)

    def artefact_directory(self, node_hash: str) -> Path:
        """The node's own folder, made if missing; a half-finished trainer finds its files there."""
        path = self.path / "artefacts" / node_hash
        with disk_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def publish_artefact(self, node_hash: str, artefact: Artefact, lineage: Mapping[str, Any]) -> None:
        """Store what a trainer returned, with its lineage; paths are kept relative, so that a run can be moved."""
        folder = self.artefact_directory(node_hash)
        data = artefact_json(artefact)
        for key in ("model", "path"):
            if key in data and Path(data[key]).is_relative_to(self.path):
                data[key] = os.path.relpath(data[key], folder)
        publish_json(folder / "artefact.json", {"artefact": data, "lineage": dict(lineage)})


class CellDirectory:
    """The records of one cell."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def summary(self) -> dict[str, Any] | None:
        """cell.json, or None while the cell is unfinished."""
        return read_json(self.path / "cell.json") if (self.path / "cell.json").is_file() else None

    def finished(self) -> bool:
        summary = self.summary()
        return summary is not None and not summary.get("failure")

    def resume(self, items: Sequence[str]) -> list[Record]:
        """The journal's records of the first of `items`; from the first torn, damaged or foreign line on, it is cut."""
        journal = self.path / "journal.jsonl"
        if not journal.exists():
            return []
        records: list[Record] = []
        good = 0
        with open(journal, "rb") as handle:
            for line, item in zip(handle, items, strict=False):
                checksum, _, content = line.partition(b" ")
                if checksum != _checksum(content):
                    break
                record = Record(**json.loads(content))
                if record.item != item:
                    break
                records.append(record)
                good += len(line)
        os.truncate(journal, good)
        return records

    def restart(self) -> None:
        """Forget the journal: the next run computes every item again."""
        (self.path / "journal.jsonl").unlink(missing_ok=True)

    @contextlib.contextmanager
    def journal(self) -> Iterator[Journal]:
        """Append to the journal; what `add` was given is on disk when it returns."""
        with disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            with open(self.path / "journal.jsonl", "ab") as handle:
                yield Journal(handle)

    def publish(self, records: Sequence[Record], summary: Mapping[str, Any]) -> None:
        """Make the cell finished: records, then summary, then the journal goes."""
        with disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            write_records(self.path / "records.parquet", records)
            publish_json(self.path / "cell.json", {**summary, "sha256": _sha256(self.path / "records.parquet")})
            self.restart()

    def fail(self, summary: Mapping[str, Any]) -> None:
        """Say why a cell has no result; the next run tries again, from the journal."""
        with disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            publish_json(self.path / "cell.json", summary)

    def records(self) -> list[Record]:
        """All records of a finished cell. Raises UserError where the file is damaged."""
        frame = self.frame()
        names = [name.removeprefix(_SCORE) for name in frame if name.startswith(_SCORE)]
        texts = zip(*(frame[name].tolist() for name in _TEXTS), strict=True)
        values = frame[[_SCORE + name for name in names]].to_numpy(float).tolist()
        details = json.loads(f"[{','.join(frame['details'])}]")
        return [
            Record(
                **dict(zip(_TEXTS, text, strict=True)),
                scores={name: value for name, value in zip(names, row, strict=True) if value == value},
                details=detail,
            )
            for text, row, detail in zip(texts, values, details, strict=True)
        ]

    def frame(self) -> Any:
        """The records as a pandas frame with one `score.<metric>` column a metric."""
        import pandas as pd

        path = self.path / "records.parquet"
        try:
            if _sha256(path) != (self.summary() or {}).get("sha256"):
                raise ValueError("it has changed since it was written")
            return pd.read_parquet(path)
        except Exception as error:
            raise UserError(
                f"{str(path)!r} cannot be used ({error}): delete the folder {self.path.name} and run the same command "
                "again."
            ) from error


class Journal:
    """An open journal."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle

    def add(self, records: Sequence[Record]) -> None:
        contents = [json.dumps(vars(record), default=_plain).encode("ascii") + b"\n" for record in records]
        self._handle.write(b"".join(_checksum(content) + b" " + content for content in contents))
        self._handle.flush()
        os.fsync(self._handle.fileno())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _checksum(content: bytes) -> bytes:
    return b"%08x" % zlib.crc32(content)


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Records as Parquet: texts, details as JSON, one float column a metric (NaN: does not apply)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = sorted({name for record in records for name in record.scores})
    columns = {text: pa.array([_text(getattr(record, text)) for record in records], pa.string()) for text in _TEXTS}
    columns["details"] = pa.array(
        [_text(json.dumps(dict(record.details), ensure_ascii=False, default=_plain)) for record in records],
        pa.string(),
    )
    for name in names:
        values = [float(record.scores.get(name, "nan")) for record in records]
        columns[_SCORE + name] = pa.array(values, pa.float64())
    temporary = path.with_name(path.name + ".tmp")
    pq.write_table(pa.table(columns), temporary, compression="zstd")
    _replace(temporary, path)


def publish_json(path: Path, content: Mapping[str, Any]) -> None:
    """`publish` of JSON."""
    publish(path, json.dumps(content, indent=1, ensure_ascii=False, default=_plain).encode("utf-8"))


def publish(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of either.

    Raises UserError for a path that is a folder, a device or a pipe, which renaming would put a file in place of, and
    where the disk refuses.
    """
    with disk_errors(path):
        if path.exists() and not path.is_file():
            raise UserError(f"{str(path)!r} exists and is no file: choose another place.")
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_bytes(content)
        _replace(temporary, path)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from disk. Raises UserError where it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("not an object")
    except (OSError, ValueError) as error:
        raise UserError(f"{str(path)!r} cannot be read ({error}): delete it and run the same command again.") from error
    return content


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what a disk refuses into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise UserError(f"no space is left for {str(path)!r}: free some and run the same command again.") from error
        if error.errno in REFUSALS:
            raise UserError(f"cannot write to {str(path)!r} ({error.strerror}): choose another place.") from error
        raise


def _replace(temporary: Path, path: Path) -> None:
    with open(temporary, "rb") as handle:
        os.fsync(handle.fileno())
    os.replace(temporary, path)


def _plain(value: Any) -> Any:
    """JSON for numpy scalars and arrays, and for mappings that are no dict, that a benchmark left in its records."""
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


def _text(value: str) -> str:
    """Lone surrogates, which a model's broken bytes can leave, are written as escapes."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
