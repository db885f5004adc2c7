"""Every record beside the page, as scripts that a page opened from a file can load on demand.

    shards/CELL-index.js   one line an item: what a list needs
    shards/CELL-N.js       records, `SIZE` in each, in their own order

A shard calls `shard(name, packed)`; packed is JSON, deflated, in base 64, so no text of a model can end the script.
The page holds the same for a sample of each cell, and works without the shards.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from cai_eval.contracts import JSON, Record, Results
from cai_eval.pages.changes import LOST, SAME, WON, base_cells, changes, moved
from cai_eval.pages.scores import primary
from cai_eval.pages.text import slug

SIZE = 250  #: records of a shard
FAILED = "failed"
SHOWN = {LOST: 12, WON: 12, SAME: 4, FAILED: 4, "": 4}  #: how many of a cell's items the page itself holds
TAIL = 50  #: characters of a prompt's end that the list shows
DIGITS = 6  #: of a number; the run's own records hold it in full


def publish(results: Results, folder: Path) -> dict[str, JSON]:
    """Write all records under `folder`; cell → what the page must know of it, with its sample.

    Keys: shards (stem of the file names), base (cell that it is compared with, or None), items, lost, won, failed,
    sample (packed).
    """
    folder.mkdir()
    pairs = base_cells(results)
    verdicts = changes(results, pairs)
    families: dict[str, list[str]] = {str(cell): [] for cell in results.cells.index if cell not in pairs}
    for cell, base in pairs.items():
        families[base].append(cell)
    metric = {benchmark: primary(metrics).name for benchmark, metrics in results.metrics.items()}
    known: dict[str, JSON] = {}
    for base, cells in families.items():
        plain = list(results.details(base))
        before = {record.item: record for record in plain}
        wanted: set[str] = set()
        for cell in [*cells, base]:
            records = plain if cell == base else list(results.details(cell))
            name = metric[results.cells.at[cell, "benchmark"]]
            listing = _listing(records, name, verdicts.get(cell, {}), {} if cell == base else before)
            chosen = _sample(listing)
            if cell == base:
                chosen = sorted({*chosen, *(n for n, record in enumerate(records) if record.item in wanted)})
            wanted |= {records[n].item for n in chosen}
            counts = Counter(listing["change"])
            _write(folder, slug(cell), listing, records)
            known[cell] = {
                "shards": slug(cell),
                "base": pairs.get(cell),
                "items": len(records),
                **{change: counts[change] for change in (LOST, WON, FAILED)},
                "sample": packed(
                    {
                        "listing": {column: [values[n] for n in chosen] for column, values in listing.items()},
                        "records": [plain_json(vars(records[n])) for n in chosen],
                    }
                ),
            }
    return known


def _listing(
    records: Sequence[Record], metric: str, verdicts: Mapping[str, str], before: Mapping[str, Record]
) -> dict[str, list[Any]]:
    """Columns over a cell's items. change: LOST, WON, SAME, FAILED, or "" where nothing is compared. moved: nats."""
    change = [FAILED if record.error else verdicts.get(record.item, "") for record in records]
    return {
        "item": [record.item for record in records],
        "category": [record.category for record in records],
        "change": change,
        "score": [plain_json(record.scores.get(metric)) for record in records],
        "moved": [
            round(moved(before[record.item], record), 2) if verdict in (LOST, WON) else 0
            for record, verdict in zip(records, change, strict=True)
        ],
        "tail": [_tail(record.prompt) for record in records],
    }


def _tail(prompt: str) -> str:
    """The last words of a prompt, where the question stands."""
    words = " ".join(prompt[-4 * TAIL :].split())
    return words if len(words) <= TAIL else f"… {words[-TAIL:].partition(' ')[2]}"


def _sample(listing: Mapping[str, Sequence[Any]]) -> list[int]:
    """Places of the items that the page holds: of each kind of change those first that moved most."""
    order = sorted(range(len(listing["item"])), key=lambda n: -listing["moved"][n])
    return sorted(
        n for change, most in SHOWN.items() for n in islice((n for n in order if listing["change"][n] == change), most)
    )


def _write(folder: Path, stem: str, listing: JSON, records: Sequence[Record]) -> None:
    contents = {"index": listing}
    for n, start in enumerate(range(0, len(records), SIZE)):
        contents[str(n)] = [plain_json(vars(record)) for record in records[start : start + SIZE]]
    for part, content in contents.items():
        name = f"{stem}-{part}"
        (folder / f"{name}.js").write_text(f'shard("{name}","{packed(content)}")\n', "ascii")


def packed(content: JSON) -> str:
    """JSON, deflated (zlib), in base 64: letters, digits and +/= only."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False, default=str)
    return base64.b64encode(zlib.compress(text.encode("ascii"))).decode("ascii")


def plain_json(value: Any) -> JSON:
    """JSON that a browser reads: numbers cut to `DIGITS`, those that are not finite as text."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if abs(value) < float("inf") else str(value)
    if isinstance(value, Mapping):
        return {str(key): plain_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_json(inner) for inner in value]
    return value
