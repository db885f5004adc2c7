"""Any policy as a model of lm-evaluation-harness.

The prefix and the format are the policy's own; contexts and continuations keep lm-eval's boundaries. Nothing is
truncated: what does not fit raises ContextTooLong (lm-eval's own models cut the beginning off: the prefix).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.models.utils import normalize_gen_kwargs

from cai_eval.contracts import JSON, Policy, Request, Sampling
from cai_eval.errors import UserError


class PolicyLM(LM):  # type: ignore[misc]
    """The three questions that lm-eval asks, put to a policy."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy

    @property
    def tokenizer_name(self) -> str:
        """What tells this model's prompts from another's: lm-eval asks for it with chat templates."""
        return self.policy.spec.fingerprint

    def loglikelihood(self, requests: Sequence[Instance], **_: Any) -> list[tuple[float, bool]]:
        """(nats, greedy) of each (context, continuation)."""
        scored = self.policy.score([Request(*request.args) for request in requests])
        return [(score.total, score.greedy) for score in scored]

    def loglikelihood_rolling(self, requests: Sequence[Instance], **_: Any) -> list[float]:
        """Nats of each whole text behind the prefix. A text longer than the context is refused, not cut in windows."""
        return [score.total for score in self.policy.score([Request("", *request.args) for request in requests])]

    def generate_until(self, requests: Sequence[Instance], **_: Any) -> list[str]:
        """A continuation of each (context, settings); equal ones are drawn as samples of one prompt."""
        asked = [(context, sampling(settings)) for context, settings in (request.args for request in requests)]
        times = Counter(asked)
        drawn: dict[tuple[str, Sampling], list[str]] = {}
        for style in dict.fromkeys((how, times[context, how]) for context, how in asked):
            how, samples = style
            contexts = [context for (context, its), count in times.items() if (its, count) == style]
            keys = [hashlib.sha256(context.encode()).hexdigest() for context in contexts]
            answers = self.policy.generate(contexts, replace(how, samples=samples), keys)
            for context, answer in zip(contexts, answers, strict=True):
                drawn[context, how] = [sample.text for sample in answer]
        return [drawn[each].pop(0) for each in asked]

    def respond(self, requests: Sequence[Instance]) -> list[Any]:
        """The answer to each request by its own type, in order; requests of one type go together."""
        answers: list[Any] = [None] * len(requests)
        for kind in dict.fromkeys(request.request_type for request in requests):
            places = [place for place, request in enumerate(requests) if request.request_type == kind]
            for place, answer in zip(places, getattr(self, kind)([requests[p] for p in places]), strict=True):
                answers[place] = answer
        return answers


def sampling(settings: Mapping[str, JSON]) -> Sampling:
    """lm-eval's generation settings as ours. Raises UserError for one that has no counterpart here."""
    known = dict(normalize_gen_kwargs(dict(settings)))
    stop = tuple(text for text in known.pop("until", []) if text)
    greedy = not known.pop("do_sample", False)
    temperature, top_p = float(known.pop("temperature", 1.0)), float(known.pop("top_p", 1.0))
    max_tokens = int(known.pop("max_gen_toks"))
    if known:
        raise UserError(f"the generation setting {min(known)!r} of the lm-eval task is not supported: remove it.")
    return Sampling(max_tokens, temperature=0.0 if greedy else temperature, top_p=top_p, stop=stop)
