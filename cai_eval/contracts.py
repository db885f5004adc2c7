"""The whole plug-in API: what flows between the parts, and what a plug-in must offer.

A study is a grid of models × interventions × benchmarks. Interventions are *trainers*: they turn named
inputs into one artefact, which is a policy, a scorer or a dataset. A *benchmark* puts items to a policy
(or to a scorer) and yields one record an item. A *report* reads records and draws. The core finds all
three by entry point and imports none of them; a plug-in imports the core and its own files only.

Log-probabilities are natural logarithms, in nats. Sizes are non-embedding parameters.
Nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure as MatplotlibFigure
    from pydantic import BaseModel

JSON = Any  #: what `json.dumps` takes: None, bool, int, float, str, lists and string-keyed dicts of these
Format = Literal["plain", "dialogue"]
Kind = Literal["policy", "scorer", "dataset"]

# ---------------------------------------------------------------------------------------------------
# Items and records
# ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    """One question of a benchmark, before any model has seen it.

    id: unique within the benchmark and stable across runs (the pairing of every comparison).
    cluster: items that share one are not independent (one query, one passage); tests resample clusters.
    category: a named part of the benchmark that is also reported on its own, or "".
    data: what the benchmark needs to ask and to judge, as JSON.
    """

    id: str
    cluster: str
    category: str
    data: Mapping[str, JSON]


IDEAL = "ideal"  #: the score of a record that holds what an ideal observer would score, where the source knows


@dataclass(frozen=True)
class Record:
    """What one policy or scorer did with one item.

    scores: metric name → value; a metric that does not apply to the item is left out.
    prompt: the text shown after the policy's prefix. answer: what was chosen or said. reference: the right one.
    details: whatever makes the score checkable (options, their log-probabilities in nats, ...), as JSON.
    error: one sentence where the item could not be scored; then `scores` is empty.
    """

    item: str
    cluster: str
    category: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    prompt: str = ""
    answer: str = ""
    reference: str = ""
    details: Mapping[str, JSON] = field(default_factory=dict)
    error: str = ""

    @classmethod
    def failed(cls, item: Item, error: str, prompt: str = "") -> Record:
        """A record that says why the item has no score."""
        return cls(item.id, item.cluster, item.category, prompt=prompt, error=error)


@dataclass(frozen=True)
class Metric:
    """How one score is to be read.

    chance: the value of a guesser; a string names the score of each record that holds the item's own chance.
    transform: applied to the mean and to the ends of its interval on display ("exp": nats → perplexity).
    primary: the one that taxes and headlines use; the others are drawn smaller or not at all.
    least, most: where a score must end. Fractions that are ones end at 0 and 1 without it.
    """

    name: str
    label: str
    unit: str = "fraction"
    higher_is_better: bool = True
    chance: float | str | None = None
    primary: bool = False
    transform: Literal["identity", "exp"] = "identity"
    least: float | None = None
    most: float | None = None


# ---------------------------------------------------------------------------------------------------
# Asking a model
# ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """The log-probability of `continuation` after the policy's prefix and `context`.

    Context and continuation are encoded together and split where the context's own tokens end; blanks at the
    end of the context belong to the continuation. An empty context without a prefix stands for the
    start-of-text token.
    """

    context: str
    continuation: str


@dataclass(frozen=True)
class Scored:
    """logprobs: nats, one for each token of the continuation. greedy: each was the most probable token."""

    logprobs: tuple[float, ...]
    greedy: bool

    @property
    def total(self) -> float:
        """Sum over tokens, nats."""
        return sum(self.logprobs)

    @property
    def mean(self) -> float:
        """Mean over tokens, nats a token."""
        return self.total / len(self.logprobs)


@dataclass(frozen=True)
class Sampling:
    """How to draw continuations. temperature 0 is greedy; `stop` strings end a sample and are cut off."""

    max_tokens: int
    samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One drawn continuation.

    text: with the stop string cut off. tokens: the ids drawn (those of the stop string too).
    logprobs: nats under the *untempered* model, one for each token.
    finish: why it ended, by a stop string, by the end-of-text token, or at max_tokens.
    near_ties: draws where rounding could have changed the token (|u − cumulative| < 1e-5).
    """

    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: Literal["stop", "end", "length"]
    near_ties: int = 0


@runtime_checkable
class Policy(Protocol):
    """A live policy: a language model behind its prefix, in its format."""

    @property
    def spec(self) -> PolicySpec: ...

    @property
    def format(self) -> Format: ...

    def score(self, requests: Sequence[Request]) -> list[Scored]:
        """Log-probabilities, in the order of the requests. Raises ContextTooLong."""
        ...

    def generate(self, prompts: Sequence[str], sampling: Sampling, keys: Sequence[str]) -> list[list[Sample]]:
        """`sampling.samples` continuations of each prompt; `keys[i]` (an item's id) seeds prompt i's stream."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` as it stands behind the prefix."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """A live scorer: text → scalar. A preference model, or the laboratory's oracle."""

    @property
    def spec(self) -> ScorerSpec: ...

    def score_texts(self, prompts: Sequence[str], answers: Sequence[str]) -> list[float]:
        """One scalar for each (prompt, answer); higher is better."""
        ...


class ContextTooLong(ValueError):  # noqa: N818 - reads as what happened
    """A request does not fit in the model's context; nothing is ever truncated silently."""


# ---------------------------------------------------------------------------------------------------
# Artefacts: what a node of the study's graph is, at rest
# ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prefix:
    """Token ids put before every context.

    ids: authoritative; starts with the start-of-text token where the tokenizer has that convention.
    text: what they decode to. label: how figures name it ("14 of 14 conversations").
    separator: put between prefix and context, encoded together with the context.
    """

    ids: tuple[int, ...] = ()
    text: str = ""
    label: str = ""
    separator: str = "\n\n"


@dataclass(frozen=True)
class PolicySpec:
    """What answers: weights, prefix, format.

    model: hub id or directory that `from_pretrained` takes. fingerprint: hash of config, weights and
    tokenizer, never of the path. parameters: non-embedding. context: tokens.
    """

    model: str
    fingerprint: str
    parameters: int
    context: int
    format: Format = "plain"
    prefix: Prefix = Prefix()


@dataclass(frozen=True)
class ScorerSpec:
    """A scalar-valued model at rest; the same fields as a policy's, without prefix."""

    model: str
    fingerprint: str
    parameters: int
    context: int


@dataclass(frozen=True)
class DatasetSpec:
    """Rows made by a node: a JSON-lines file, its number of rows and its sha256."""

    path: str
    rows: int
    sha256: str


Artefact = PolicySpec | ScorerSpec | DatasetSpec

# ---------------------------------------------------------------------------------------------------
# Plug-ins
# ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Published:
    """An upstream data set and the ways to get its rows.

    name: how users and laboratories call it. file: upstream file name, looked for in the data folder directly
    or one folder down (".jsonl", ".jsonl.gz", ".json", ".csv"). sha256: of that file, "" where unknown.
    hub: (repository, configuration, split) on the hub. source and licence: for people.
    """

    name: str
    file: str
    sha256: str = ""
    hub: tuple[str, str, str] | None = None
    source: str = ""
    licence: str = ""


class Source(Protocol):
    """Where a benchmark's rows come from: the published files, or a laboratory that generates them."""

    @property
    def name(self) -> str: ...

    def rows(self, data: Published) -> list[dict[str, JSON]]:
        """The rows in the upstream file's own schema. Raises UserError where they cannot be had."""
        ...

    def text(self, name: str) -> str | None:
        """A named text in this source's language ("hhh-prompt", "neutral-prefix"), or None for the default."""
        ...

    def ideal(self, benchmark: str, item: Item, policy: PolicySpec) -> float | None:
        """What an ideal observer scores on the benchmark's primary metric, given exactly the policy's context.

        None where nobody knows: only a world whose texts were generated has one.
        """
        ...

    def judge(self, prompt: str, answer: str) -> Mapping[str, float] | None:
        """What people would say of an answer to a human's turn, where the source knows, else None.

        helpful: 0 to 1, the part of what was asked for. honest: 1 for a true claim, -1 for a false one, 0 without any.
        harm: 0 to 4. evasive: 1 where it dodges without a reason. garbled: 1 where it is no answer at all.
        """
        ...


class Benchmark(Protocol):
    """A measurement. Built as `cls(config)` with a validated config.

    version is raised whenever items or scoring change: stored cells then no longer count.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    title: ClassVar[str]
    Config: ClassVar[type[BaseModel]]
    data: ClassVar[tuple[Published, ...]]
    accepts: ClassVar[frozenset[Kind]]

    def metrics(self) -> Sequence[Metric]:
        """Exactly one of them is primary."""
        ...

    def items(self, source: Source) -> list[Item]: ...

    def evaluate(self, subject: Policy | Scorer, items: Sequence[Item]) -> Iterator[Record]:
        """One record for each item, in order. Called with batches; a batch is what a kill can lose."""
        ...


@dataclass(frozen=True)
class Input:
    """A named input of a trainer.

    default: the reference used where a suite names none: "base" is the untouched model of the same rung,
    "NAME" another intervention at the same rung, "NAME@largest" the same at the ladder's largest rung.
    None: the suite must name it.
    """

    kind: Kind
    default: str | None = "base"
    optional: bool = False


class Workshop(Protocol):
    """What the core lends a trainer while it runs."""

    @property
    def directory(self) -> Path:
        """An empty or half-finished directory of this node's own; what is in it survives a kill."""
        ...

    @property
    def seed(self) -> int: ...

    @property
    def source(self) -> Source: ...

    def tokenizer(self, spec: PolicySpec) -> Any: ...

    def policy(self, spec: PolicySpec) -> Policy: ...

    def scorer(self, spec: ScorerSpec) -> Scorer: ...

    def rows(self, spec: DatasetSpec) -> Iterator[dict[str, JSON]]: ...

    def progress(self, done: float, total: float, note: str = "") -> None: ...


class Trainer(Protocol):
    """An intervention: named inputs in, one artefact out. Built as `cls(config)` with a validated config.

    instant: needs tokenizers only, no weights and no time (a prompt). The planner runs instant trainers
    while planning, once for each of `alternatives()`, and takes for each benchmark the first that fits.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    title: ClassVar[str]
    Config: ClassVar[type[BaseModel]]
    inputs: ClassVar[Mapping[str, Input]]
    output: ClassVar[Kind]
    instant: ClassVar[bool]

    def alternatives(self) -> Sequence[Mapping[str, JSON]]:
        """Configs from the most wanted to the least; a trainer with nothing to choose gives its own alone."""
        ...

    def run(self, inputs: Mapping[str, Artefact], workshop: Workshop) -> Artefact: ...


@dataclass(frozen=True)
class Figure:
    """A drawn figure with the frame that it was drawn from."""

    name: str
    title: str
    caption: str
    figure: MatplotlibFigure
    data: pd.DataFrame


@dataclass(frozen=True)
class Table:
    """A table; `frame` holds numbers, `formats` column → format string for display."""

    name: str
    title: str
    caption: str
    frame: pd.DataFrame
    formats: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PaperFigure:
    """A figure of a paper that a report can draw, one at a time, for `cai-eval figures`.

    figure: its number there, and the panel ("7R"). needs: the (benchmark, intervention) cells, by their names in a
    suite, without which it cannot be drawn. draw: results that hold each of them at one size or more → the figure with
    the paper's axes and series, and with its values behind in grey where they are known.
    """

    paper: str
    figure: str
    title: str
    needs: tuple[tuple[str, str], ...]
    draw: Callable[[Results], Figure]


class Report(Protocol):
    """A figure family: records in, figures and tables out. No model, no network."""

    name: ClassVar[str]
    title: ClassVar[str]
    Config: ClassVar[type[BaseModel]]
    papers: ClassVar[tuple[PaperFigure, ...]]

    def draw(self, results: Results) -> Iterator[Figure | Table]: ...


@dataclass(frozen=True)
class Trained:
    """What a trainer made in a run.

    config: the trainer's. inputs: slot → reference ("base", "NAME", "NAME@largest"). folder: where it lies, with what
    the trainer wrote beside it: `log.jsonl` with a row a step, a data set's rows.
    """

    intervention: str
    rung: str
    parameters: int
    seed: int
    kind: Kind
    trainer: str
    config: Mapping[str, JSON]
    inputs: Mapping[str, str]
    folder: Path


@dataclass(frozen=True)
class Vote:
    """What a person thought of two policies' answers to an item: the share of the first cell's, ½ for a tie."""

    judge: str
    item: str
    first: str
    second: str
    share: float


@dataclass(frozen=True)
class Results:
    """The records of one or more runs, as frames.

    records: one row for each (cell, item, metric): cell, item, cluster, category, metric, value; errors have none.
    cells: one row for each cell, indexed by its hash: model, parameters, intervention, seed, benchmark, label (of the
    prefix), prefix_tokens, items, errors, seconds, source, ... (see `cai_eval.study.results`).
    metrics: benchmark → its metrics. details: cell hash → loads that cell's full records, on demand.
    interventions: name → title, in the order of the suite; the first is the base that taxes are measured against. Data
    sets are none of them: they make no curve.
    laboratory: set where the models come from a laboratory; every figure then says so.
    trained: what the runs' trainers made. votes: that people gave on pairs of answers.
    """

    records: pd.DataFrame
    cells: pd.DataFrame
    metrics: Mapping[str, Sequence[Metric]]
    details: Callable[[str], Sequence[Record]]
    interventions: Mapping[str, str]
    laboratory: str = ""
    trained: Sequence[Trained] = ()
    votes: Sequence[Vote] = ()
