"""What `cai-eval run` shows on the terminal: the plan, live progress, and the outcome. All of it goes to stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from cai_eval.study.cost import arithmetic_rate, work
from cai_eval.study.graph import Node
from cai_eval.study.plan import Cell, Plan
from cai_eval.study.run import Listener, Outcome, unfinished
from cai_eval.study.session import Session
from cai_eval.study.store import RunDirectory


def size(parameters: int) -> str:
    """18,915,328 → "18.9M"."""
    for unit, scale in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if parameters >= scale:
            return f"{parameters / scale:.3g}{unit}"
    return str(parameters)


def duration(seconds: float) -> str:
    """75 → "1 min 15 s"."""
    if seconds < 1:
        return "a moment"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def counted(number: int, thing: str) -> str:
    """1, "cell" → "1 cell"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


NAMES = ("benchmark", "intervention")
LOG = 160  #: characters a line of a log, which has no edge of its own


def output() -> Console:
    """Standard output."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = LOG
    return console


def table_of(*columns: str) -> Table:
    """An empty table; names are never cut short, numbers stand on the right."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        name = column in {*NAMES, "prefix", "run", "model"}
        table.add_column(column, justify="left" if name else "right", overflow="fold", no_wrap=column in NAMES)
    return table


class Display:
    """The terminal of one command."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, markup=False, emoji=False)  # names are a user's own

    def notice(self, text: str) -> None:
        """One line that a reader should not miss."""
        self.console.print(Text.assemble(("note", "yellow"), " ", text), soft_wrap=True)

    @contextmanager
    def status(self, text: str) -> Iterator[Callable[[str], None]]:
        """A spinner; yields a function that changes its text."""
        with self.console.status(Text(text)) as status:
            yield lambda note: status.update(Text(note))

    def plan(self, session: Session, directory: RunDirectory) -> None:
        """Cells, tokens, what is done already, and everything that is left out and why."""
        plan = session.plan
        suite = plan.suite
        self.console.print(Text.assemble((suite.title, "bold"), f" ({suite.name}, ladder {session.ladder})"))
        if session.laboratory:
            self.console.print(session.laboratory, style="yellow", soft_wrap=True)
        table = table_of(*NAMES, "prefix", "items", "tokens", "models", "done")
        for benchmark in dict.fromkeys(cell.benchmark for cell in plan.cells):
            for intervention in plan.interventions:
                cells = [c for c in plan.cells if (c.benchmark, c.intervention) == (benchmark, intervention)]
                if cells:
                    done = sum(directory.cell(cell.hash).finished() for cell in cells)
                    prefix = cells[0].node.policy.prefix.label if cells[0].node.kind == "policy" else ""
                    tokens = sum(cell.tokens for cell in cells)
                    table.add_row(
                        *(benchmark, intervention, prefix or "–", f"{len(cells[0].items):,}", f"{tokens:,}"),
                        *(str(len(cells)), f"{done}/{len(cells)}"),
                    )
        self.console.print(table)
        todo = unfinished(plan, directory)
        if todo:
            least = sum(map(work, todo)) / arithmetic_rate(session.device, session.dtype)
            self.console.print(
                f"{counted(len(todo), 'cell')} to compute, at least {duration(least)} of arithmetic on {session.device}"
            )
        models = ", ".join(f"{base.label} ({size(base.policy.parameters)})" for base in plan.bases)
        self.console.print(f"models: {models}; sizes are non-embedding parameters", soft_wrap=True)
        for note in plan.notes:
            self.notice(note)
        for skip in plan.skipped:
            self.notice(f"{skip.intervention} on {skip.benchmark} is left out: {skip.reason}.")

    @contextmanager
    def running(self, plan: Plan, directory: RunDirectory) -> Iterator[Listener]:
        """Live progress over the cells to compute, by arithmetic; where nothing can move, one line a cell."""
        todo = unfinished(plan, directory)
        if not self.console.is_terminal:
            yield _Lines(len(todo), self.console.print, self.notice)
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            yield _Bars(progress, todo, self.notice)

    def outcome(self, run: Path, outcome: Outcome, report: Path) -> None:
        """Scores with their intervals, what is significant, what failed, and where the page lies."""
        self.console.print(score_table(run))
        self.console.print(
            "in brackets the 95 % interval; ▼ a loss and ▲ a gain against the first intervention, one-sided, "
            "Benjamini–Hochberg adjusted over this table at 5 %.",
            style="dim",
        )
        self.console.print(f"{counted(outcome.computed, 'cell')} computed, {outcome.reused} reused.")
        self.console.print(Text.assemble("report: ", (str(report), "bold")), soft_wrap=True)

    def failures(self, outcome: Outcome) -> None:
        """Each cell that has no result, and why."""
        for cell, failure in outcome.failures.items():
            self.console.print(Text.assemble(("failed", "red"), f" {cell}: {failure}"), soft_wrap=True)


def name_of(cell: Cell) -> str:
    """How progress names a cell."""
    return f"{cell.rung} · {cell.intervention} · {cell.benchmark}"


def score_table(run: Path) -> Table:
    """Benchmarks and interventions down, models across."""
    from cai_eval.pages.taxes import verdict
    from cai_eval.study.analysis import headline
    from cai_eval.study.results import load_results

    scores, taxes = headline(load_results([run]))
    marks = {"loss": " ▼", "gain": " ▲"}
    verdicts = {(t.benchmark, t.rung, t.intervention): marks.get(verdict(t), "") for t in taxes.itertuples()}
    rungs = list(dict.fromkeys(scores.sort_values("parameters")["rung"]))
    table = table_of(*NAMES, *rungs)
    for (benchmark, intervention), rows in scores.groupby(["benchmark", "intervention"], sort=False, observed=True):
        shown = {}
        for row in rows.itertuples():
            mark = verdicts.get((benchmark, row.rung, intervention), "")
            shown[row.rung] = f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]{mark}"
        table.add_row(benchmark, intervention, *(shown.get(rung, "–") for rung in rungs))
    return table


class _Notices(Listener):
    """Says each notice once."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.said: set[str] = set()

    def notice(self, text: str) -> None:
        if text not in self.said:
            self.said.add(text)
            self.say(text)


class _Lines(_Notices):
    """A line for each cell that is done, for logs."""

    def __init__(self, cells: int, show: Callable[[str], None], say: Callable[[str], None]) -> None:
        super().__init__(say)
        self.cells = cells
        self.show = show
        self.done = 0

    def finished(self, cell: Cell, failure: str) -> None:
        self.done += 1
        self.show(f"{self.done}/{self.cells} {name_of(cell)}{': failed' if failure else ''}")


class _Bars(_Notices):
    """One bar over the study, named by the cell at work; it counts arithmetic, so that the ETA holds across sizes."""

    def __init__(self, progress: Progress, cells: Sequence[Cell], say: Callable[[str], None]) -> None:
        super().__init__(say)
        self.progress = progress
        self.total = progress.add_task("starting", total=sum(map(work, cells)))
        self.counted: dict[str, float] = {}
        self.training: dict[str, TaskID] = {}

    def started(self, cell: Cell, done: int) -> None:
        self.progress.update(self.total, description=name_of(cell))
        self._count(cell, done)

    def advanced(self, cell: Cell, done: int) -> None:
        self._count(cell, done)

    def finished(self, cell: Cell, failure: str) -> None:
        self._count(cell, len(cell.items))

    def making(self, node: Node, done: float, total: float, note: str) -> None:
        if node.hash not in self.training:
            self.training[node.hash] = self.progress.add_task(node.trainer, total=total)
        self.progress.update(self.training[node.hash], completed=done, description=f"{node.trainer} {note}")

    def _count(self, cell: Cell, done: int) -> None:
        self.counted[cell.hash] = work(cell) * done / len(cell.items)
        self.progress.update(self.total, completed=sum(self.counted.values()))
