"""Files whose names hold their checksum: complete and right, or not there.

<stem>-<first 16 hex digits of the content's sha256><suffix>
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from safetensors import SafetensorError

from cai_eval.errors import UserError

_NAME = re.compile(r"(.+)-([0-9a-f]{16})(\.\w+)")
UNFINISHED = ".part"


def publish(directory: Path, stem: str, suffix: str, write: Callable[[IO[bytes]], None]) -> Path:
    """Let `write` fill a file, then give it its name; a kill leaves at most a part that nobody reads.

    Raises UserError where the disk refuses.
    """
    part = directory / f"{os.getpid()}{UNFINISHED}"
    with writing(stem, directory):
        directory.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb+") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            path = directory / f"{stem}-{_checksum(part)}{suffix}"
            return part.rename(path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def writing(what: str, directory: Path) -> Iterator[None]:
    """Raises UserError where the disk refuses."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors wrap the disk's errors
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(
            f"{what} cannot be written to {directory} ({reason}): make room, run the same command again and it goes "
            "on from what is there."
        ) from error


def published(directory: Path) -> Iterator[tuple[str, Path]]:
    """Stem and path of every file that was published here, in the order of their names."""
    if directory.is_dir():
        for path in sorted(directory.iterdir()):
            if match := _NAME.fullmatch(path.name):
                yield match[1], path


def intact(path: Path) -> bool:
    """Whether the content is what the name says."""
    match = _NAME.fullmatch(path.name)
    return match is not None and match[2] == _checksum(path)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
