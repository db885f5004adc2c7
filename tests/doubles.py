"""The later trainers as declarations that work: every artefact is real, small and a function of what went in.

They show that distillation, SL-CAI, AI feedback, preference models and RL-CAI fit the contracts as they stand.
`install` offers them as a stranger's package would.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict

from cai_eval.contracts import (
    JSON,
    Artefact,
    DatasetSpec,
    Input,
    Kind,
    PolicySpec,
    Request,
    Sampling,
    ScorerSpec,
    Workshop,
)
from cai_eval.testing import write_rows

PROMPTS = ("What is a lever?", "Tell me of the sea.")


class Training:
    """What the doubles share. Making one writes the fingerprint of the weights that it would have made."""

    version: ClassVar[str] = "1"
    instant: ClassVar[bool] = False

    class Config(BaseModel):
        """What changes the result."""

        model_config = ConfigDict(extra="forbid", frozen=True)

        steps: int = 10

    def __init__(self, config: BaseModel) -> None:
        self.config = config

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        return (self.config.model_dump(),)

    def train(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> str:
        """The fingerprint of a training run: of the method, its config, its seed and what its inputs are."""
        made_of = {slot: {**asdict(artefact), "path": "", "model": ""} for slot, artefact in sorted(inputs.items())}
        recipe = repr((type(self).__name__, self.config, workshop.seed, made_of))
        fingerprint = hashlib.sha256(recipe.encode()).hexdigest()
        (workshop.directory / "weights.txt").write_text(fingerprint, encoding="ascii")
        workshop.progress(10, 10, "trained")
        return fingerprint


class PolicyTraining(Training):
    """Gives the policy of `start` other weights."""

    output: ClassVar[Kind] = "policy"

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> PolicySpec:
        start = inputs["start"]
        assert isinstance(start, PolicySpec)
        return replace(start, fingerprint=self.train(inputs, workshop))


class ContextDistillation(PolicyTraining):
    """The teacher is the prompted policy of another rung."""

    name: ClassVar[str] = "double-distillation"
    title: ClassVar[str] = "Context distillation"
    inputs: ClassVar[Mapping[str, Input]] = {
        "start": Input("policy"),
        "teacher": Input("policy", "hhh-prompt@largest"),
    }


class HelpfulRLHF(PolicyTraining):
    """What SL-CAI samples from; the suite may name a reward."""

    name: ClassVar[str] = "helpful-rlhf"
    title: ClassVar[str] = "Helpful RLHF"
    inputs: ClassVar[Mapping[str, Input]] = {
        "start": Input("policy"),
        "reward": Input("scorer", None, optional=True),
    }


class SLCAI(PolicyTraining):
    """Start, sampler and critic are three policies."""

    name: ClassVar[str] = "sl-cai"
    title: ClassVar[str] = "SL-CAI"
    inputs: ClassVar[Mapping[str, Input]] = {
        "start": Input("policy"),
        "sampler": Input("policy", "helpful-rlhf"),
        "critic": Input("policy", "helpful-rlhf"),
    }


class AIFeedback(Training):
    """Two samples a prompt, and which one the feedback model finds more probable: rows {prompt, chosen, rejected}."""

    name: ClassVar[str] = "double-feedback"
    title: ClassVar[str] = "AI feedback"
    inputs: ClassVar[Mapping[str, Input]] = {
        "sampler": Input("policy", "sl-cai"),
        "feedback": Input("policy"),
    }
    output: ClassVar[Kind] = "dataset"

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> DatasetSpec:
        sampler, feedback = inputs["sampler"], inputs["feedback"]
        assert isinstance(sampler, PolicySpec)
        assert isinstance(feedback, PolicySpec)
        sampling = Sampling(max_tokens=4, samples=2, temperature=1.0)
        drawn = workshop.policy(sampler).generate(PROMPTS, sampling, PROMPTS)
        judge = workshop.policy(feedback)
        rows = []
        for prompt, samples in zip(PROMPTS, drawn, strict=True):
            texts = [sample.text or " yes" for sample in samples]
            first, second = judge.score([Request(prompt, text) for text in texts])
            chosen, rejected = texts if first.mean >= second.mean else reversed(texts)
            rows.append({"prompt": prompt, "chosen": chosen, "rejected": rejected})
        return write_rows(workshop.directory / "comparisons.jsonl", rows)


class PreferenceModel(Training):
    """A scorer from comparisons."""

    name: ClassVar[str] = "double-preferences"
    title: ClassVar[str] = "Preference model"
    inputs: ClassVar[Mapping[str, Input]] = {
        "start": Input("policy"),
        "comparisons": Input("dataset", "double-feedback"),
    }
    output: ClassVar[Kind] = "scorer"

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> ScorerSpec:
        start, comparisons = inputs["start"], inputs["comparisons"]
        assert isinstance(start, PolicySpec)
        assert isinstance(comparisons, DatasetSpec)
        assert sum(1 for row in workshop.rows(comparisons) if row["chosen"]) == comparisons.rows
        return ScorerSpec(start.model, self.train(inputs, workshop), start.parameters, start.context)


class RLCAI(PolicyTraining):
    """Start and reference are SL-CAI, the reward is the preference model."""

    name: ClassVar[str] = "rl-cai"
    title: ClassVar[str] = "RL-CAI"
    inputs: ClassVar[Mapping[str, Input]] = {
        "start": Input("policy", "sl-cai"),
        "reference": Input("policy", "sl-cai"),
        "reward": Input("scorer", "double-preferences"),
    }


DOUBLES = (ContextDistillation, HelpfulRLHF, SLCAI, AIFeedback, PreferenceModel, RLCAI)


def install(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offer the doubles by entry point, from a package whose metadata lies in `directory`, for one test."""
    metadata = directory / "cai_eval_doubles-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: cai-eval-doubles\nVersion: 1\n")
    lines = [f"{double.name} = {double.__module__}:{double.__name__}" for double in DOUBLES]
    (metadata / "entry_points.txt").write_text("\n".join(["[cai_eval.trainers]", *lines, ""]))
    monkeypatch.syspath_prepend(str(directory))
