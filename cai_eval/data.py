"""Published data sets: rows from a folder of upstream files, or from the hub.

A benchmark declares `Published` data and asks a `Source` for its rows; `read` turns them into the benchmark's own
type and names the row that does not have what it needs.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

from cai_eval.contracts import JSON, Item, PolicySpec, Published, Source
from cai_eval.errors import UserError

Row = dict[str, JSON]
T = TypeVar("T")

SPLITS = frozenset({"train", "validation", "test"})  #: names that say nothing of whose file it is
_SURROGATE = re.compile("[\ud800-\udfff]")


class PublishedSource:
    """Rows as published: from `folder` where it holds the upstream file, else from the hub."""

    name = "published"

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None and not folder.is_dir():
            raise UserError(f"data folder {str(folder)!r} does not exist: give one that does.")
        self.folder = folder

    def rows(self, data: Published) -> list[Row]:
        """Rows of the local file, checked against its checksum where that is known, else of the hub's copy.

        The two differ in schema. A hub configuration "a,b" stands for several, and so does a file "a,b"; each row then
        holds its own under "configuration". A configuration that ends in "/" is a folder of the repository. Raises
        UserError.
        """
        if self.folder is None:
            return _hub_rows(data, f"{data.name} has no --data folder")
        found = {part: find(part, self.folder) for part in parts(data)}
        if missing := [part.file for part, path in found.items() if path is None]:
            return _hub_rows(data, f"{self.folder} holds no {' and no '.join(missing)}")
        rows: list[Row] = []
        for part, path in found.items():
            assert path is not None
            verify(part, path)
            own = {"configuration": part.file} if len(found) > 1 else {}
            rows += [{**own, **row} for row in _file_rows(path)]
        return rows

    def text(self, name: str) -> str | None:
        """None: texts have their defaults here."""
        return None

    def ideal(self, benchmark: str, item: Item, policy: PolicySpec) -> float | None:
        """None: nobody knows the best possible score on published data."""
        return None

    def judge(self, prompt: str, answer: str) -> Mapping[str, float] | None:
        """None: published prompts need people, or a preference model, to judge what is answered to them."""
        return None


def read(source: Source, data: Published, parse: Callable[[Row], T]) -> list[T]:
    """`parse` of every row; a row that lacks what `parse` needs raises UserError with its number."""
    parsed = []
    for number, row in enumerate(source.rows(data), 1):
        try:
            parsed.append(parse(row))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"row {number} of {data.name} has not the published schema ({type(error).__name__}: {error}): "
                f"get {data.file} again from {data.source or 'where it was published'}."
            ) from error
    return parsed


def check_row(row: JSON, where: str) -> None:
    """Raise UserError, beginning with `where`, for what is no object or holds half of a surrogate pair.

    JSON can write such a half as "\\ud800", but it is no character: neither a tokenizer nor a file takes it.
    """
    if not isinstance(row, Mapping):
        raise UserError(f"{where}: expected an object with named values, found {type(row).__name__}; correct it.")
    if half := _SURROGATE.search(json.dumps(row, ensure_ascii=False)):
        raise UserError(f"{where}: holds half of a surrogate pair, {half[0]!a}; write the whole character.")


def item_id(*texts: str) -> str:
    """An id that depends on the item's text alone, so that it is the same whatever the order of the source's rows."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def distinct(ids: Iterable[str]) -> Iterator[str]:
    """The ids in order, "-2", "-3", ... behind those that have come before."""
    seen: Counter[str] = Counter()
    for name in ids:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}-{seen[name]}"


def parts(data: Published) -> list[Published]:
    """The data set file by file; of several no checksum is known."""
    files = data.file.split(",")
    return [replace(data, file=file, sha256="") for file in files] if len(files) > 1 else [data]


def find(data: Published, folder: Path) -> Path | None:
    """The upstream file in `folder`, directly or one folder down.

    At its upstream path, at that with "_" for "/", or by its bare name, unless it is called after its split alone. The
    folder that carries the data set's name goes first, then the others in alphabetical order.
    """
    below = sorted(path for path in folder.iterdir() if path.is_dir())
    below.sort(key=lambda path: path.name != data.name)
    bare = Path(data.file).name
    names = (data.file, data.file.replace("/", "_"), *([] if bare.partition(".")[0] in SPLITS else [bare]))
    for name in dict.fromkeys(names):
        for parent in (folder, *below):
            if (parent / name).is_file():
                return parent / name
    return None


def verify(data: Published, path: Path) -> None:
    """Raise UserError where the sha256 of `path` is not the published one; pass where that is not known."""
    if not data.sha256:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != data.sha256:
        raise UserError(
            f"{path} is truncated or not the published version of {data.name} (sha256 {found[:12]}…, published "
            f"{data.sha256[:12]}…): get it again from {data.source or 'where it was published'}, or take it away."
        )


def fetch(data: Published) -> int:
    """Bring the hub's copy into the hub library's cache, where it is found offline; the number of rows."""
    return len(_hub_rows(data, f"{data.name} has no --data folder"))


def _hub_rows(data: Published, missing: str) -> list[Row]:
    """missing: why the hub is asked."""
    if data.hub is None:
        raise UserError(
            f"{missing}, and it is not on the hub: download it from {data.source or 'where it was published'} into a "
            "folder and pass that as --data DIR."
        )
    from datasets import load_dataset

    repository, configurations, split = data.hub
    rows: list[Row] = []
    for configuration in configurations.split(","):
        folder = configuration.removesuffix("/") if configuration.endswith("/") else None
        try:
            loaded = load_dataset(repository, None if folder else configuration or None, data_dir=folder, split=split)
        except Exception as error:  # datasets, huggingface_hub, httpx and fsspec each raise errors of their own
            raise UserError(
                f"{missing}, and the hub's {repository} cannot be read ({type(error).__name__}): pass --data DIR "
                f"with {' and '.join(data.file.split(','))} in it, or run `cai-eval data fetch {data.name}` when "
                "online."
            ) from error
        rows += [{"configuration": configuration, **row} for row in cast("Iterator[Row]", loaded)]
    return rows


def _file_rows(path: Path) -> list[Row]:
    try:
        rows = list(_parsed(path))
    except (EOFError, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is damaged or cannot be read ({error}): get it again.") from error
    for number, row in enumerate(rows, 1):
        check_row(row, f"{path}, row {number}")
    return rows


def _parsed(path: Path) -> Iterator[Row]:
    """Rows of a .jsonl, .jsonl.gz, .json (a list) or .csv (with a header) file."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    text = content.decode("utf-8")
    match [suffix for suffix in path.suffixes if suffix != ".gz"][-1:]:
        case [".jsonl"]:
            # split on "\n" alone: splitlines() would also cut at U+2028, which JSON leaves unescaped
            for number, line in enumerate(text.split("\n"), 1):
                if line.strip():
                    yield _decoded(line, path, number)
        case [".json"]:
            yield from _decoded(text, path, 1)
        case [".csv"]:
            yield from csv.DictReader(io.StringIO(text, newline=""))
        case _:
            raise UserError(f"{path}: expected a .jsonl, .jsonl.gz, .json or .csv file.")


def _decoded(text: str, path: Path, line: int) -> JSON:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = line + error.lineno - 1
        raise UserError(f"{path}, line {where}: not valid JSON ({error.msg}); get the file again.") from error
