"""Preference models (Askell et al. 2021, §3; Bai et al. 2022a, §3.1): which of two answers people, or a model, prefer.

A scalar head reads the end-of-text token behind an answer; the loss is Bradley–Terry on soft labels. One prompt in ten
is held out: accuracy and loss on it stand in `log.jsonl`, and the mean score of its answers is taken off every score,
so that scores of different models can be compared (Bai et al. 2022a, A.2).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from cai_eval.contracts import JSON, Artefact, DatasetSpec, Input, Kind, PolicySpec, Workshop
from cai_eval.errors import UserError

HELD_OUT = 0.1  #: of the prompts


class PreferenceModel:
    """Gives `start` a scalar head and trains both on `comparisons`, with those of the other slots all mixed."""

    name: ClassVar[str] = "preference-model"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Preference model"
    inputs: ClassVar[Mapping[str, Input]] = {
        "start": Input("policy"),
        "comparisons": Input("dataset", None),
        "more": Input("dataset", None, optional=True),
        "yet_more": Input("dataset", None, optional=True),
    }
    output: ClassVar[Kind] = "scorer"
    instant: ClassVar[bool] = False

    class Config(BaseModel):
        """How long, how fast, how."""

        model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

        epochs: PositiveInt = Field(1, description="passes over the comparisons; models of preferences overfit soon")
        rows: PositiveInt = Field(32, description="comparisons a step")
        rate: PositiveFloat | None = Field(
            None, description="peak learning rate, falling to 0; by default 1e-3 up to 10M parameters, else 1e-5"
        )
        warmup: NonNegativeInt = Field(5, description="steps of rising rate")
        lm_weight: NonNegativeFloat = Field(0.0, description="of the language model's loss on the better answer")
        precision: Literal["fp32", "bf16"] = Field("fp32", description="of the forward pass")
        lora_rank: NonNegativeInt = Field(0, description="of low-rank adapters; 0 trains all weights")

    def __init__(self, config: Config) -> None:
        self.config = config

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        return (self.config.model_dump(),)

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact:
        """Comparisons that do not fit in the context are left out; `comparisons.json` counts all, by labeller.

        Raises UserError for rows that cannot be read, where too few are left, and as the training does.
        """
        from cai_eval.training.comparisons import Comparison, hold_out, read_comparisons
        from cai_eval.training.lora import of_rank
        from cai_eval.training.optimisation import Optimisation
        from cai_eval.training.preferences import make_pairs
        from cai_eval.training.rates import usual_rate
        from cai_eval.training.scorers import train_scorer
        from cai_eval.training.sealed import writing

        start, config = inputs["start"], self.config
        assert isinstance(start, PolicySpec)
        read: list[Comparison] = []
        for slot in ("comparisons", "more", "yet_more"):
            if isinstance(spec := inputs.get(slot), DatasetSpec):
                try:
                    read += read_comparisons(workshop.rows(spec))
                except UserError as error:
                    raise UserError(f"input {slot!r}, {error}") from error
        train, held = hold_out(read, HELD_OUT)
        tokenizer = workshop.tokenizer(start)
        pairs, held_pairs = (make_pairs(tokenizer, part, start.context) for part in (train, held))
        counts = {
            "read": len(read),
            "by": Counter(each.by for each in read),
            "trained": len(pairs),
            "held_out": len(held_pairs),
            "too_long": len(read) - len(pairs) - len(held_pairs),
        }
        with writing("comparisons.json", workshop.directory):
            (workshop.directory / "comparisons.json").write_text(json.dumps(counts) + "\n", encoding="utf-8")
        if not pairs or not held_pairs:
            raise UserError(
                f"of {len(read):,} comparisons {counts['too_long']:,} do not fit in {start.context:,} tokens, and the "
                "rest is too little: give more and shorter ones."
            )
        steps = config.epochs * max(1, len(pairs) // config.rows)
        rate = config.rate or usual_rate(start.parameters, small=1e-3, other=1e-5)
        return train_scorer(
            start,
            workshop,
            pairs,
            held_pairs,
            Optimisation(steps, rate, config.warmup, precision=config.precision, seed=workshop.seed),
            rows=min(config.rows, len(pairs)),
            lm_weight=config.lm_weight,
            lora=of_rank(config.lora_rank),
        )
