"""From a document of lm-eval to what is asked about it."""

from __future__ import annotations

from typing import Any

from cai_eval.contracts import Item

FEWSHOT_SEED = 1234  #: lm-eval's own default, so that the same examples are drawn


def shared_context(task: Any) -> bool:
    """Whether the examples before a document depend on the document alone, not on those drawn before it."""
    from lm_eval.api.samplers import FirstNSampler

    return not _shots(task) or isinstance(task.sampler, FirstNSampler)


def context(task: Any, document: Any) -> Any:
    """What stands before the document's options: a text, or one for each option where the task says so."""
    prefix = task.doc_to_prefix(document)
    return task.fewshot_context(document, num_fewshot=_shots(task), gen_prefix=prefix)


def requests(task: Any, item: Item) -> list[Any]:
    """lm-eval's instances for an item, one as often as the task repeats it."""
    document = item.data["document"]
    before = item.data["context"] if "context" in item.data else context(task, document)
    repeats = task.config.repeats or 1
    made = task.construct_requests(doc=document, ctx=before, metadata=(item.data["task"], 0, repeats))
    instances = made if isinstance(made, list) else [made]
    return [instance for instance in instances for _ in range(repeats)]


def _shots(task: Any) -> int:
    return task.config.num_fewshot or 0
