"""From lm-eval's answers to records, by its own filters and metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cai_eval.contracts import Item, Metric, Record
from cai_eval.scoring import TIE, NotScored

SHARE_OF_OPTIONS = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info")  #: where a guesser gets 1/options
SHARE_OF_ITEMS = ("acc", "exact_match")  #: where a guesser gets nothing, having no options


def metrics(task: Any) -> dict[tuple[str, str], Metric]:
    """(lm-eval's metric, filter) → ours, for those that are means over items; none is primary yet."""
    from lm_eval.api.registry import get_aggregation

    means = {get_aggregation("mean"), get_aggregation("nanmean")}
    filters = [ensemble.name for ensemble in task._filters]
    found = {}
    for metric, aggregation in task.aggregation().items():
        for key in filters:
            name = metric if len(filters) == 1 else f"{metric},{key}"  # as lm-eval writes it
            if aggregation is get_aggregation("perplexity"):
                found[metric, key] = Metric(name, name, "nats", higher_is_better=False, transform="exp")
            elif aggregation in means:
                better = task.higher_is_better()[metric]
                found[metric, key] = Metric(name, name, higher_is_better=better, chance=_chance(task, metric))
    return found


def judge(task: Any, item: Item, asked: Sequence[Any], answers: Sequence[Any]) -> Record:
    """Record of one document. Raises NotScored where its log-probabilities say nothing."""
    if task.OUTPUT_TYPE != "generate_until" and not np.isfinite([_nats(answer) for answer in answers]).all():
        raise NotScored("a log-probability is not a finite number")
    if task.OUTPUT_TYPE == "multiple_choice" and np.ptp([_nats(answer) for answer in answers]) <= TIE:
        raise NotScored("all options are equally probable, and lm-eval would give the credit to the first")
    for instance, answer in zip(asked, answers, strict=True):
        instance.resps.append(answer)
    instances = list({id(instance): instance for instance in asked}.values())
    task._instances = instances
    task.apply_filters()
    document = item.data["document"]
    values = {
        key: task.process_results(document, [instance.filtered_resps[key] for instance in instances])
        for key in instances[0].filtered_resps
    }
    scores = {
        ours.name: -float(values[key][metric]) if ours.transform == "exp" else float(values[key][metric])
        for (metric, key), ours in metrics(task).items()
        if metric in values[key]
    }
    said, right, details = _described(task, document, instances, answers)
    if "options" in details:
        scores["chance"] = 1 / len(details["options"])
    return Record(
        item.id,
        item.cluster,
        item.category,
        scores=scores,
        prompt=instances[0].args[0],
        answer=said,
        reference=right,
        details=details,
    )


def _chance(task: Any, metric: str) -> float | str | None:
    """A guesser's value of a metric: a score of each record where there are options, else nothing or unknown."""
    if task.OUTPUT_TYPE == "multiple_choice":
        return "chance" if metric in SHARE_OF_OPTIONS else None
    return 0.0 if metric in SHARE_OF_ITEMS else None


def _described(
    task: Any, document: Any, instances: Sequence[Any], answers: Sequence[Any]
) -> tuple[str, str, dict[str, Any]]:
    """Answer, reference and details of a record."""
    if task.OUTPUT_TYPE == "multiple_choice":
        options = [str(option) for option in task.doc_to_choice(document)]
        totals = [nats for nats, _ in answers[: len(options)]]
        target = task.doc_to_text(document) if task.multiple_input else task.doc_to_target(document)
        right = options[target] if isinstance(target, int) and 0 <= target < len(options) else str(target)
        return options[int(np.argmax(totals))], right, {"options": options, "logprobs": totals}
    right = str(task.doc_to_target(document))
    if task.OUTPUT_TYPE == "generate_until":
        filtered = {key: str(value) for key, value in instances[0].filtered_resps.items()}
        return str(answers[0]), right, {"filtered": filtered, "samples": [str(answer) for answer in answers]}
    return "", right, {"logprobs": [_nats(answer) for answer in answers]}


def _nats(answer: Any) -> float:
    """Of an answer (nats, greedy), or of one that is nats alone."""
    return float(answer[0] if isinstance(answer, tuple) else answer)
