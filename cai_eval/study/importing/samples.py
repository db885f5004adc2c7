"""Sample files of lm-evaluation-harness 0.4: one line for each item and filter → records."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cai_eval.contracts import Metric, Record
from cai_eval.data import distinct, item_id
from cai_eval.errors import UserError


def records(path: Path, task: str, metrics: Sequence[Metric]) -> list[Record]:
    """The items in the file's order, by the ids that benchmark `lm-eval` gives them: runs of ours pair with these.

    Values that are no numbers (of metrics that are not means over items) are left out; what is not finite makes the
    record an error. Raises UserError for a line that is no sample.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            samples: dict[Any, list[Mapping[str, Any]]] = {}
            for line in lines:
                sample = json.loads(line)
                samples.setdefault(sample["doc_id"], []).append(sample)
        names = [f"{task}-{item_id(json.dumps(of_one[0]['doc'], sort_keys=True))}" for of_one in samples.values()]
        return [
            _record(of_one, cluster, unique, metrics)
            for of_one, cluster, unique in zip(samples.values(), names, distinct(names), strict=True)
        ]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise UserError(
            f"{str(path)!r} is in a format of samples that is not known here ({type(error).__name__}: {error})."
        ) from error


def values_by_metric(made: Sequence[Record]) -> dict[str, list[float]]:
    """Metric → its value on every item that has one."""
    found: dict[str, list[float]] = {}
    for record in made:
        for name, value in record.scores.items():
            found.setdefault(name, []).append(value)
    return found


def _record(samples: Sequence[Mapping[str, Any]], cluster: str, item: str, metrics: Sequence[Metric]) -> Record:
    """One item. samples: one for each filter."""
    prompt, answer, reference, details = _said(samples[0])
    scores = {}
    for sample in samples:
        for metric in metrics:
            plain, comma, kept = metric.name.partition(",")
            value = sample.get(plain)
            if (not comma or kept == sample.get("filter")) and isinstance(value, (int, float)):
                scores[metric.name] = -float(value) if metric.transform == "exp" else float(value)
    if not all(map(math.isfinite, scores.values())):
        return Record(item, cluster, prompt=prompt, error="a score is not a finite number")
    return Record(item, cluster, "", scores, prompt, answer, reference, details)


def _said(sample: Mapping[str, Any]) -> tuple[str, str, str, dict[str, Any]]:
    """Prompt, answer, reference and details."""
    given = sample["arguments"]  # until 0.4.2 a list of lists
    requests = [list(each.values()) for each in given.values()] if isinstance(given, Mapping) else given
    asked = [(str(context), str(more[0]) if more else "") for context, *more in requests]
    target, answers = str(sample["target"]), sample["filtered_resps"]
    logprobs = [float(each[0]) for each in answers] if all(isinstance(each, list) for each in answers) else []
    if len(logprobs) < 2:
        return asked[0][0], "" if logprobs else str(answers[0]), target, {"logprobs": logprobs}
    same = len({context for context, _ in asked}) == 1
    options = [(continuation if same else context).strip() for context, continuation in asked[: len(logprobs)]]
    right = options[int(target)] if target.isdigit() and int(target) < len(options) else target
    chosen = options[max(range(len(options)), key=logprobs.__getitem__)]
    return asked[0][0] if same else "", chosen, right, {"options": options, "logprobs": logprobs}
