"""Result and sample files of lm-evaluation-harness, 0.4 and before, read into rows of its table.

A results file holds a mean and a standard error for each task and metric. Sample files
(`samples_TASK_DATE.jsonl`, 0.4 only, with `--log_samples`) lie beside the `results_DATE.json` that they belong to and
hold every item.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cai_eval.contracts import Metric, Record
from cai_eval.errors import UserError
from cai_eval.study.importing.samples import records, values_by_metric

#: metrics whose mean is one of nats, shown as a perplexity
PERPLEXITIES = frozenset({"ppl", "perplexity"})
UNITS = {"likelihood_difference": "nats", "bits_per_byte": "bits"} | dict.fromkeys(
    ("word_perplexity", "byte_perplexity"), "perplexity"
)
POINTS = frozenset({"bleu", "chrf", "ter", "rouge1", "rouge2", "rougeL", "rougeLsum"})  #: from 0 to 100
LOWER_IS_BETTER = frozenset({*PERPLEXITIES, *UNITS, "pct_stereotype", "brier_score", "ter"})
WHOLE = 1e-3  #: how near to a whole number a count must come out
SAMPLES = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d{2}-\d{2}T.+)\.jsonl")

Means = Mapping[str, tuple[float, float]]  #: metric → mean and standard error (NaN where unknown), nats of perplexities


@dataclass(frozen=True)
class Task:
    """One row of lm-eval's table: a task, or a group of them.

    shots: examples before each item. items: how many there were, 0 where nobody says. records: every item, where it
    was kept; means then holds only the metrics that are not means over items.
    """

    name: str
    version: str
    shots: int
    metrics: tuple[Metric, ...]
    means: Means
    items: int
    records: tuple[Record, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """What one results file says of one model. revision: "" for the main one. fingerprint: of weights, or ""."""

    path: Path
    model: str
    revision: str
    fingerprint: str
    tasks: tuple[Task, ...]


def read(paths: Sequence[Path]) -> list[Evaluation]:
    """Every results file with its samples. paths: of files, and of folders, as lm-eval's `--output_path`.

    Raises UserError for what is no file of lm-eval, for samples alone, and for a folder without results.
    """
    files = [file for path in paths for file in (_below(path) if path.is_dir() else [path])]
    samples = {path: match for path in files if (match := SAMPLES.fullmatch(path.name))}
    owned: dict[Path, dict[str, Path]] = {path: {} for path in files if path not in samples}
    for path, match in samples.items():
        name = f"_{match['date']}.json"
        owner = next((each for each in owned if each.parent == path.parent and each.name.endswith(name)), None)
        if owner is None:
            raise UserError(f"{str(path)!r} does not say whose samples these are: give 'results{name}' beside it too.")
        owned[owner][match["task"]] = path
    return [_evaluation(path, own) for path, own in owned.items()]


def _below(folder: Path) -> list[Path]:
    """The results that lm-eval left below it, else the JSON files in it, with all samples."""
    found = sorted(folder.rglob("results*.json")) or sorted(folder.glob("*.json"))
    if not found:
        raise UserError(f"no results of lm-eval lie in {str(folder)!r}: give another folder, or the files.")
    return [*found, *(path for path in sorted(folder.rglob("samples_*.jsonl")) if SAMPLES.fullmatch(path.name))]


def _evaluation(path: Path, samples: Mapping[str, Path]) -> Evaluation:
    content = _json(path)
    config, results = content.get("config"), content.get("results")
    if not isinstance(config, Mapping) or not isinstance(results, Mapping) or not results:
        raise UserError(f"{str(path)!r} is no results file of lm-eval (no config and results): give another.")
    arguments = _arguments(config.get("model_args"))
    model = arguments.get("pretrained") or content.get("model_name") or arguments.get("model")
    if not model:
        raise UserError(f"{str(path)!r} does not say which model it is about (model_args): give another.")
    try:
        scored = {name: row for name, row in results.items() if any(_scores(row))}  # a group's may be a heading alone
        tasks = tuple(_task(name, row, content) for name, row in scored.items())
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise UserError(f"{str(path)!r} is in a format of lm-eval that is not known here ({error}).") from error
    revision = str(arguments.get("revision") or config.get("model_revision") or "")
    return Evaluation(
        path,
        str(model),
        "" if revision == "main" else revision,
        str(config.get("model_sha") or ""),
        tuple(_with_records(task, samples[task.name]) if task.name in samples else task for task in tasks),
    )


def _json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{str(path)!r} cannot be read as JSON ({error}): give a results file of lm-eval.") from error
    if not isinstance(content, Mapping):
        raise UserError(f"{str(path)!r} is no results file of lm-eval: give another.")
    return content


def _arguments(said: Any) -> Mapping[str, Any]:
    """`model_args`, which is a mapping or a string like "pretrained=gpt2,revision=main"."""
    if isinstance(said, Mapping):
        return said
    return dict(part.split("=", 1) for part in str(said or "").split(",") if "=" in part)


def _task(name: str, row: Mapping[str, Any], content: Mapping[str, Any]) -> Task:
    better = content.get("higher_is_better", {}).get(name, {})
    found = dict(_scores(row))
    for key, (mean, _) in found.items():
        if not math.isfinite(mean):
            raise ValueError(f"{key} of {name} is not a number")
    single = {key: key.partition(",")[0] for key in found}
    if len(set(single.values())) < len(single):  # of several filters each keeps its own, as lm-eval writes it
        single = {key: key.removesuffix(",none") for key in found}
    first = next((key for key in found if _better(single[key], better)), next(iter(found)))
    metrics = tuple(_metric(single[key], better, primary=key == first) for key in found)
    means = {
        single[key]: _nats(mean, se) if _plain(key) in PERPLEXITIES else (mean, se) for key, (mean, se) in found.items()
    }
    shots = content.get("n-shot", {}).get(name, content["config"].get("num_fewshot")) or 0
    return Task(
        name, str(content.get("versions", {}).get(name, "")), int(shots), metrics, means, _items(name, content, means)
    )


def _scores(row: Mapping[str, Any]) -> Iterator[tuple[str, tuple[float, float]]]:
    """ "acc,none" (0.4) or "acc" (before) → mean and standard error."""
    for key, value in row.items():
        metric, comma, kept = key.partition(",")
        if metric.endswith("_stderr") or metric == "sample_len" or not isinstance(value, (int, float)):
            continue
        error = row.get(f"{metric}_stderr{comma}{kept}", math.nan)
        yield key, (float(value), float(error) if isinstance(error, float) else math.nan)


def _plain(key: str) -> str:
    return key.partition(",")[0]


def _better(name: str, better: Mapping[str, bool]) -> bool:
    """Whether higher values are better; lm-eval says it since 0.4."""
    return better.get(_plain(name), _plain(name) not in LOWER_IS_BETTER)


def _metric(name: str, better: Mapping[str, bool], primary: bool) -> Metric:
    plain = _plain(name)
    if plain in PERPLEXITIES:
        return Metric(name, name, "nats", higher_is_better=False, primary=primary, transform="exp")
    unit = "points" if plain in POINTS else UNITS.get(plain, "fraction")
    return Metric(name, name, unit, higher_is_better=_better(name, better), primary=primary)


def _nats(perplexity: float, error: float) -> tuple[float, float]:
    """Mean loss and its standard error, by the delta method."""
    return math.log(perplexity), error / perplexity


def _items(name: str, content: Mapping[str, Any], means: Means) -> int:
    """How many items there were: as the file says, or as the standard error of an accuracy tells."""
    said = content.get("n-samples", {}).get(name)
    if said:
        return int(said["effective"])
    return next(
        (count for metric in ("acc", "exact_match", "em") if (count := items_behind(*means.get(metric, (0, 0))))), 0
    )


def items_behind(mean: float, error: float) -> int:
    """The n of which a right-or-wrong score has this mean and standard error √(p(1 − p)/(n − 1)); 0 for none."""
    if not 0 < mean < 1 or not error > 0:
        return 0
    count = mean * (1 - mean) / error**2 + 1
    return round(count) if abs(count - round(count)) < WHOLE * max(1, count / 1000) else 0


def _with_records(task: Task, path: Path) -> Task:
    """The task with its items. Raises UserError where their mean is not the one that the results file gives."""
    made = records(path, task.name, task.metrics)
    values = values_by_metric(made)
    for name, own in values.items():
        if name in task.means and not math.isclose(math.fsum(own) / len(own), task.means[name][0], abs_tol=1e-6):
            raise UserError(f"{str(path)!r} does not fit its results file: its mean of {name} is another.")
    left = {name: mean for name, mean in task.means.items() if name not in values}
    return replace(task, records=tuple(made), means=left, items=len(made))
