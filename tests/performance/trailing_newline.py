"""What it costs to end a function's prompt in its line end: pass@1 of a laboratory model, asked both ways.

Encoded with the prompt the line end is a token of its own, which the model never saw there: in its training text the
line end is one with the blanks of the next line. An argument names a model directory; the laboratory's 330k by default.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

from cai_eval import lab
from cai_eval.benchmarks.code import Code
from cai_eval.contracts import PolicySpec, Sample, Sampling
from cai_eval.inference.policy import LanguageModelPolicy
from cai_eval.study.workshop import Models

TASKS = 40


class WithLineEnd(LanguageModelPolicy):
    """Is given the line end that answers otherwise begin with."""

    def generate(self, prompts: Sequence[str], sampling: Sampling, keys: Sequence[str]) -> list[list[Sample]]:
        drawn = super().generate([f"{prompt}\n" for prompt in prompts], sampling, keys)
        return [[replace(sample, text=f"\n{sample.text}") for sample in samples] for samples in drawn]


def main() -> None:
    laboratory = lab.find("lab")
    spec = PolicySpec(sys.argv[1] if sys.argv[1:] else laboratory.model("lab/330k", print), "", 1, 2048)
    models = Models(device="cpu", dtype="float32")
    benchmark = Code(Code.Config(samples=5, k=(1,)))
    items = benchmark.items(laboratory.source())[:TASKS]
    for name, kind in (("completion", LanguageModelPolicy), ("prompt", WithLineEnd)):
        policy = kind(spec, models.engine(spec), models.tokenizer(spec.model), None, seed=0)
        scores = [record.scores["pass@1"] for record in benchmark.evaluate(policy, items)]
        print(f"line end with the {name}: pass@1 {sum(scores) / len(scores):.3f} ({TASKS} tasks, 5 samples each)")


if __name__ == "__main__":
    main()
