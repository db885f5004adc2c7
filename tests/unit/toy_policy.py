"""Policies without a model, for tests of benchmarks."""

from collections.abc import Callable, Sequence

from cai_eval.contracts import ContextTooLong, Format, PolicySpec, Request, Sample, Sampling, Scored

Rule = Callable[[Request], Sequence[float]]  # the log-probabilities of a request's tokens


def constant(request: Request) -> list[float]:
    """One nat for each word: knows nothing."""
    return [-1.0] * len(request.continuation.split())


class ToyPolicy:
    """Scores by a rule and keeps the requests. `longest`: characters that a request may have."""

    def __init__(self, rule: Rule = constant, format: Format = "plain", longest: int | None = None) -> None:
        self.rule, self.format, self.longest = rule, format, longest
        self.requests: list[Request] = []
        self.spec = PolicySpec("toy", "0" * 64, 1, 1_000_000, format)

    def score(self, requests: Sequence[Request]) -> list[Scored]:
        for request in requests:
            if self.longest is not None and len(request.context + request.continuation) > self.longest:
                raise ContextTooLong("too long for a toy")
        self.requests += requests
        return [Scored(tuple(self.rule(request)), greedy=False) for request in requests]

    def generate(self, prompts: Sequence[str], sampling: Sampling, keys: Sequence[str]) -> list[list[Sample]]:
        raise AssertionError("no benchmark here samples")

    def count_tokens(self, text: str) -> int:
        return len(text.split())
