"""Code: programs that a model completes, judged by running them against tests (Askell et al. 2021, App. B.4).

HumanEval (Chen et al. 2021; a laboratory's own functions come in its schema), MBPP (Austin et al. 2021) and QuixBugs
recast as synthesis. In the plain format the model continues the prompt; in a dialogue a human shows it, and the
assistant, who says to have tested the function, repeats it and goes on. A prompt's last line end belongs to the
completion: encoded with the prompt it would stand apart from the blanks that follow it. Programs run in
`cai_eval.sandbox` and nowhere else.

The unit is the task, its value pass@k estimated without bias from its samples. What Python or a limit ends has not
passed; what the sandbox itself could not judge makes the task an error, never a failure. Every sample is kept with its
outcome, so that `rescore` judges again without the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, Field, model_validator

from cai_eval.contracts import (
    JSON,
    Format,
    Item,
    Kind,
    Metric,
    Policy,
    Published,
    Record,
    Sample,
    Sampling,
    Scorer,
    Source,
)
from cai_eval.data import read
from cai_eval.dialogue import STOPS, Turn, render
from cai_eval.errors import UserError
from cai_eval.sandbox import Backend, Limits, Outcome, Program, Sandbox
from cai_eval.scoring import put_items

from .cutting import FUNCTION_STOPS, PROGRAM_STOPS, through_function
from .passing import pass_at_k
from .quixbugs import read_checkout
from .tasks import HUMANEVAL, MBPP, MBPP_TEST, Task, humaneval, mbpp

ASK = "Please complete this Python function."
LEAD_IN = "Certainly. I have run it and it passes its tests:"

KeptSample = dict[str, Any]

#: What a policy that only counts tokens, in a plan, says: there is nothing to run.
NOTHING_DRAWN = Outcome("failed", "no token was drawn", 0.0)


class Asked(NamedTuple):
    """A task as put to the model: `context` ends with the task's prompt."""

    task: Task
    context: str


class Tried(NamedTuple):
    """The samples of a task, as `kept`, what became of each, and the sandbox's back end and gaps."""

    samples: Sequence[KeptSample]
    outcomes: Sequence[Outcome]
    sandbox: Mapping[str, JSON]


class Code:
    """See the module."""

    name: ClassVar[str] = "code"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Code, functions that pass their tests"
    data: ClassVar[tuple[Published, ...]] = (HUMANEVAL, MBPP)
    accepts: ClassVar[frozenset[Kind]] = frozenset({"policy"})
    argument: ClassVar[str] = "dataset"

    class Config(BaseModel, frozen=True, extra="forbid"):
        """checkout: folder of QuixBugs. samples: a task. k: the pass@k to estimate, the first of which leads.

        stop: "published" stop strings, or "function": cut where Python's tokenizer ends the function, which costs the
        tokens up to `max_tokens`, or to as many as the longest solution has characters where that is less. seconds:
        deadline of a program. backend: the sandbox's, see `cai_eval.sandbox.Sandbox`.
        """

        dataset: Literal["humaneval", "mbpp", "quixbugs"] = "humaneval"
        checkout: str = ""
        samples: int = Field(default=10, ge=1)
        temperature: float = Field(default=0.6, ge=0)
        top_p: float = Field(default=0.95, gt=0, le=1)
        k: tuple[int, ...] = Field(default=(1, 10), min_length=1)
        stop: Literal["published", "function"] = "published"
        max_tokens: int = Field(default=512, ge=1)
        seconds: float = Field(default=10.0, gt=0)
        backend: Backend = "auto"

        @model_validator(mode="after")
        def _enough_samples(self) -> Code.Config:
            if min(self.k) < 1 or len(set(self.k)) < len(self.k):
                raise ValueError("k: each must be at least 1 and stand once")
            if max(self.k) > self.samples:
                raise ValueError(f"pass@{max(self.k)} needs at least {max(self.k)} samples, not {self.samples}")
            return self

    def __init__(self, config: Config) -> None:
        self.config = config

    def metrics(self) -> Sequence[Metric]:
        first, *others = self.config.k
        return [
            Metric(f"pass@{first}", f"pass@{first}", chance=0.0, primary=True),
            *(Metric(f"pass@{k}", f"pass@{k}", chance=0.0) for k in others),
        ]

    def items(self, source: Source) -> list[Item]:
        match self.config.dataset:
            case "humaneval":
                tasks = read(source, HUMANEVAL, humaneval)
            case "mbpp":
                numbered = read(source, MBPP, lambda row: (row["task_id"], mbpp(row)))
                tasks = [task for number, task in numbered if number in MBPP_TEST]
            case "quixbugs":
                tasks = read_checkout(Path(self.config.checkout))
        # how samples are drawn decides what an ideal observer scores, which a laboratory's source is asked item by item
        drawn = {
            "temperature": self.config.temperature,
            "top_p": self.config.top_p,
            "k": self.config.k[0],
            "max_tokens": min(self.config.max_tokens, longest(tasks)),
        }
        return [Item(task.id, task.id, "", {"task": asdict(task), **drawn}) for task in tasks]

    def evaluate(self, subject: Policy | Scorer, items: Sequence[Item]) -> Iterator[Record]:
        assert isinstance(subject, Policy)
        policy = subject
        sampling = self.sampling(policy.format, max((item.data["max_tokens"] for item in items), default=1))

        def ask(item: Item) -> list[Asked]:
            task = task_of(item)
            return [Asked(task, context(task.prompt, policy.format))]

        def answer(asked: Sequence[Asked]) -> list[Tried]:
            prompts, keys = [each.context for each in asked], [each.task.id for each in asked]
            drawn = policy.generate(prompts, sampling, keys)
            return self.run([each.task for each in asked], [[kept(s) for s in samples] for samples in drawn])

        def judge(item: Item, asked: Sequence[Asked], tried: Sequence[Tried]) -> Record:
            return self.judge(item, asked[0].context, tried[0])

        return put_items(items, ask, answer, judge)

    def rescore(self, items: Sequence[Item], records: Sequence[Record]) -> Iterator[Record]:
        """The records judged anew from the samples that they hold; one that holds none stays as it is."""
        held = [(item, record) for item, record in zip(items, records, strict=True) if "samples" in record.details]
        tried = self.run([task_of(item) for item, _ in held], [record.details["samples"] for _, record in held])
        anew = {
            item.id: self.judge(item, record.prompt, each) for (item, record), each in zip(held, tried, strict=True)
        }
        for record in records:
            yield anew.get(record.item, record)

    def sampling(self, form: Format, max_tokens: int) -> Sampling:
        """How the config wants samples drawn, and what ends one in this format."""
        config = self.config
        stops = PROGRAM_STOPS if config.dataset == "mbpp" else FUNCTION_STOPS
        return Sampling(
            max_tokens,
            config.samples,
            config.temperature,
            config.top_p,
            (stops if config.stop == "published" else ()) + (STOPS if form == "dialogue" else ()),
        )

    def run(self, tasks: Sequence[Task], samples: Sequence[Sequence[KeptSample]]) -> list[Tried]:
        """The samples of each task, all run together; those of one text once."""
        programs = [
            [self.program(task, each["text"]) if each["tokens"] else None for each in some]
            for task, some in zip(tasks, samples, strict=True)
        ]
        different = list(dict.fromkeys(program for some in programs for program in some if program))
        known: dict[Program | None, Outcome] = {None: NOTHING_DRAWN}
        isolation: dict[str, JSON] = {}
        if different:
            try:
                with Sandbox(Limits(seconds=self.config.seconds), backend=self.config.backend) as sandbox:
                    isolation = {"backend": sandbox.layers.backend, "open": list(sandbox.layers.open)}
                    known |= zip(different, sandbox.run(different), strict=True)
            except UserError as error:  # this machine has no sandbox: this cell fails, not the study
                known |= dict.fromkeys(different, Outcome("sandbox error", str(error), 0.0))
        return [
            Tried(some, [known[program] for program in its], isolation)
            for some, its in zip(samples, programs, strict=True)
        ]

    def program(self, task: Task, completion: str) -> Program:
        """The program that a completion makes of the task's prompt."""
        source = task.prompt + completion
        if self.config.stop == "function":
            source = through_function(source, task.entry_point)
        return Program(source, task.entry_point, task.test, task.setup)

    def judge(self, item: Item, prompt: str, tried: Tried) -> Record:
        """Record of one task from what became of its samples."""
        verdicts = Counter(outcome.verdict for outcome in tried.outcomes)
        broken = next((outcome for outcome in tried.outcomes if outcome.verdict == "sandbox error"), None)
        scores = {f"pass@{k}": pass_at_k(len(tried.samples), verdicts["passed"], k) for k in self.config.k}
        return Record(
            item.id,
            item.cluster,
            item.category,
            scores={} if broken else scores,
            prompt=prompt,
            answer=tried.samples[0]["text"],
            reference=task_of(item).solution,
            details={
                "sandbox": dict(tried.sandbox),
                "verdicts": dict(sorted(verdicts.items())),
                "samples": [
                    {**sample, "verdict": outcome.verdict, "message": outcome.message}
                    for sample, outcome in zip(tried.samples, tried.outcomes, strict=True)
                ],
            },
            error=f"the sandbox could not judge a sample: {broken.message}" if broken else "",
        )


def longest(tasks: Sequence[Task]) -> int:
    """Characters of the longest completion that is known to pass: as many tokens are enough to write any of them."""
    return max((len(task.solution.removeprefix(task.prompt)) for task in tasks), default=1)


def task_of(item: Item) -> Task:
    """The task that an item holds."""
    return Task(**item.data["task"])


def context(prompt: str, form: Format) -> str:
    """What stands before the completion: the prompt alone, or an exchange in which the assistant has begun with it."""
    if form == "plain":
        return prompt
    shown = prompt.strip("\n")
    return render([Turn("Human", f"{ASK}\n\n{shown}"), Turn("Assistant", f"{LEAD_IN}\n\n{shown}")])


def kept(sample: Sample) -> KeptSample:
    """What a record keeps of a sample."""
    return {"text": sample.text, "finish": sample.finish, "tokens": len(sample.tokens)}
