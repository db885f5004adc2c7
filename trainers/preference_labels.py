"""Comparisons as people make them, for preference models (Bai et al. 2022a, §2).

Where the source can judge answers, a policy answers each prompt twice and the judge prefers one, with Bradley–Terry
noise. Where the prompts are published with people's choices (hh-rlhf), those are taken and no policy is asked.

For harmlessness the labels rank by grade of harm alone: people who looked for the more harmful answer had no quarrel
with one that dodges. Only a constitution speaks of that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from cai_eval.contracts import JSON, Artefact, DatasetSpec, Input, Kind, PolicySpec, Published, Workshop
from cai_eval.data import Row
from cai_eval.errors import UserError
from cai_eval.judging import HARM_ALONE, HELPFULNESS, Weights, choose, utility
from cai_eval.training.prompts import HARMFUL, SETS, Prompt, read_prompts, read_rows

if TYPE_CHECKING:
    from cai_eval.training.labelling import Pair

Care = Literal["helpfulness", "harmlessness"]

#: what is cared for → the kind of comparison, what counts, and where the prompts are from
CARES: Mapping[Care, tuple[str, Weights, str]] = {
    "helpfulness": ("helpful", HELPFULNESS, "helpful-prompts"),
    "harmlessness": ("harmless", HARM_ALONE, "red-team-prompts"),
}
SHARD = 1024  #: published comparisons


class PreferenceLabels:
    """Pairs of `sampler`'s answers with a judge's labels, or published ones with people's."""

    name: ClassVar[str] = "preference-labels"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Preference labels"
    inputs: ClassVar[Mapping[str, Input]] = {"sampler": Input("policy", optional=True)}
    output: ClassVar[Kind] = "dataset"
    instant: ClassVar[bool] = False
    data: ClassVar[tuple[Published, ...]] = tuple(SETS.values())

    class Config(BaseModel):
        """What is cared for, on which prompts, with how much noise."""

        model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

        care: Care = Field("helpfulness", description="what the labels rank by")
        prompts: str | None = Field(None, description="a set of prompts; by default that of what is cared for")
        kinds: tuple[str, ...] = Field((), description="of prompts, where a set has several; all by default")
        count: PositiveInt = Field(1024, description="prompts; all where there are fewer")
        pairs: PositiveInt = Field(1, description="of answers to each; of published ones so many times `count` at most")
        max_tokens: PositiveInt = Field(256, description="of an answer")
        temperature: PositiveFloat = Field(1.0, le=5, description="of the judge's noise, in units of utility")

    def __init__(self, config: Config) -> None:
        self.config = config
        self.kind, self.weights, self.prompts = CARES[config.care]

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        return (self.config.model_dump(mode="json"),)

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact:
        """Raises UserError for prompts that cannot be had or judged, and where no comparison came out."""
        prompts = self.config.prompts or self.prompts
        rows = read_rows(workshop.source, prompts, self.config.kinds)
        if rows and "chosen" in rows[0][1]:
            return self._published(rows, workshop)
        sampler = inputs.get("sampler")
        if not isinstance(sampler, PolicySpec):
            raise UserError(f"nobody answers {prompts}: name a policy as the input 'sampler' of {self.name}.")
        return self._judged(prompts, sampler, workshop)

    def _judged(self, prompts: str, sampler: PolicySpec, workshop: Workshop) -> DatasetSpec:
        from cai_eval.training.labelling import draw_pairs, label_pairs

        config = self.config
        asked = read_prompts(workshop.source, prompts, config.count, workshop.seed, config.kinds)
        pairs = draw_pairs(workshop, sampler, asked, config.pairs, config.max_tokens)
        return label_pairs(workshop, pairs, lambda some: [self._label(pair, workshop) for pair in some])

    def _label(self, pair: Pair, workshop: Workshop) -> dict[str, JSON]:
        from cai_eval.training.comparisons import Comparison, as_row

        grades = [workshop.source.judge(pair.prompt, answer) for answer in (pair.first, pair.second)]
        if None in grades:
            raise UserError(f"nobody knows how good an answer to {pair.prompt!r} is: choose prompts with human labels.")
        utilities = [utility(each, self.weights) for each in grades if each is not None]
        better = choose(utilities, self.config.temperature, Random(f"{workshop.seed}/label/{pair.id}"))
        labelled = Comparison(pair.id, pair.context, pair.first, pair.second, 1.0 - better, self.kind, "oracle")
        return {**as_row(labelled), "utilities": utilities}

    def _published(self, rows: Sequence[tuple[Prompt, Row]], workshop: Workshop) -> DatasetSpec:
        """Those about prompts of the kind that is cared for: people chose by what they had been asked to look for."""
        from cai_eval.training.comparisons import as_row, comparable, read_comparisons
        from cai_eval.training.labelling import APART, SAME, report
        from cai_eval.training.shards import make_dataset

        own = [each for each in rows if (each[0].kind == HARMFUL) == (self.config.care == "harmlessness")]
        if not own:
            raise UserError(f"these prompts hold no published comparison of {self.config.care}: choose others.")
        usable = [row for prompt, row in own if comparable(row, f"the comparison about {prompt.text[:60]!r}")]
        same = sum(row["chosen"].strip() == row["rejected"].strip() for _, row in own)
        apart = len(own) - len(usable) - same
        comparisons = read_comparisons(usable, self.kind)
        Random(workshop.seed).shuffle(comparisons)
        chosen = comparisons[: self.config.count * self.config.pairs]
        made = make_dataset(
            workshop.directory,
            "comparisons",
            len(chosen),
            SHARD,
            lambda places: [as_row(chosen[place]) for place in places],
            workshop.progress,
        )
        return report(workshop, made, len(chosen) + same + apart, {SAME: same, APART: apart})
