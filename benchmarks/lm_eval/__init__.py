"""Any task of lm-evaluation-harness, by name or by the path of a YAML file: `lm-eval:hellaswag`.

Prompts, requests, filters and scores are lm-eval's own; log-probabilities, failures and statistics are ours. A task's
text follows the policy's prefix as it is, in whatever format the policy has. A group is measured whole, each of its
tasks a category. Metrics are those that are means over items; lm-eval's `perplexity` is recorded as a loss in nats
and shown as a perplexity.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from cai_eval.contracts import Item, Kind, Metric, Policy, Published, Record, Scorer, Source
from cai_eval.data import distinct, item_id
from cai_eval.errors import UserError
from cai_eval.inference.lm_eval_tasks import load_tasks
from cai_eval.scoring import put_items

from .scores import judge, metrics
from .tasks import FEWSHOT_SEED, context, requests, shared_context


class LMEval:
    """See the module. Items hold the document and a digest of the task's definition: a change of either shows."""

    name: ClassVar[str] = "lm-eval"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "A task of lm-evaluation-harness"
    argument: ClassVar[str] = "task"
    data: ClassVar[tuple[Published, ...]] = ()
    accepts: ClassVar[frozenset[Kind]] = frozenset({"policy"})

    class Config(BaseModel, frozen=True, extra="forbid"):
        """task: name of a task, group or tag, or the path of a YAML file. shots: examples; None: as the task says."""

        task: str
        shots: int | None = Field(default=None, ge=0)

    def __init__(self, config: Config) -> None:
        self.config = config

    @cached_property
    def tasks(self) -> Mapping[str, Any]:
        """Name → lm-eval task."""
        return load_tasks(self.config.task, self.config.shots)

    def metrics(self) -> Sequence[Metric]:
        """The first that is better when higher is primary. Raises UserError where none is a mean over items."""
        found = {metric.name: metric for task in self.tasks.values() for metric in metrics(task).values()}
        if not found:
            raise UserError(f"lm-eval task {self.config.task!r} has no metric that is a mean over items: take another.")
        first = next((metric.name for metric in found.values() if metric.higher_is_better), min(found))
        return [replace(metric, primary=name == first) for name, metric in found.items()]

    def items(self, source: Source) -> list[Item]:
        """The documents, from lm-eval's own data set whatever the source."""
        return [item for name, task in self.tasks.items() for item in self._items(name, task)]

    def _items(self, name: str, task: Any) -> Iterator[Item]:
        task.set_fewshot_seed(FEWSHOT_SEED)
        definition = item_id(_json(task.dump_config()))
        documents = [json.loads(_json(document)) for document in task.eval_docs]
        clusters = [f"{name}-{item_id(_json(document))}" for document in documents]
        for document, cluster, unique in zip(documents, clusters, distinct(clusters), strict=True):
            data = {"task": name, "definition": definition, "document": document}
            if not shared_context(task):  # examples are drawn anew for each document, in this order
                data["context"] = context(task, document)
            yield Item(unique, cluster, name if len(self.tasks) > 1 else "", data)

    def evaluate(self, subject: Policy | Scorer, items: Sequence[Item]) -> Iterator[Record]:
        from cai_eval.inference.lm_eval_bridge import PolicyLM

        assert isinstance(subject, Policy)

        def task_of(item: Item) -> Any:
            return self.tasks[item.data["task"]]

        return put_items(
            items,
            lambda item: requests(task_of(item), item),
            PolicyLM(subject).respond,
            lambda item, asked, answers: judge(task_of(item), item, asked, answers),
        )


def _json(value: Any) -> str:
    """JSON in which what JSON has no word for goes by its own name (a function) or text (a date)."""
    return json.dumps(value, sort_keys=True, default=lambda other: getattr(other, "__qualname__", str(other)))
