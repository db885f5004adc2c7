"""What `cai-eval run` shows on the terminal: the plan, live progress, and the outcome. All of it goes to stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

from cai_eval.study.cost import arithmetic_rate, work
from cai_eval.study.graph import Node
from cai_eval.study.plan import Cell, Plan
from cai_eval.study.run import Listener, Outcome
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


class Display:
    """The terminal of one command."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)

    def notice(self, text: str) -> None:
        """One line that a reader should not miss."""
        self.console.print(f"[yellow]note[/] {text}", soft_wrap=True)

    @contextmanager
    def status(self, text: str) -> Iterator[Callable[[str], None]]:
        """A spinner; yields a function that changes its text."""
        with self.console.status(text) as status:
            yield lambda note: status.update(note)

    def plan(self, session: Session, directory: RunDirectory) -> None:
        """Cells, tokens, what is done already, and everything that is left out and why."""
        plan = session.plan
        suite = plan.suite
        self.console.print(f"[bold]{suite.title}[/] ({suite.name}, ladder {session.ladder})")
        if session.laboratory:
            self.console.print(session.laboratory, style="yellow", soft_wrap=True)
        table = Table(
            "benchmark", "intervention", "prefix", "items", "tokens", "models", "done", box=None, pad_edge=False
        )
        for column in table.columns[3:]:
            column.justify = "right"
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
        todo = [cell for cell in plan.cells if not directory.cell(cell.hash).finished()]
        if todo:
            least = sum(map(work, todo)) / arithmetic_rate(session.device, session.dtype)
            self.console.print(
                f"{len(todo)} cells to compute, at least {duration(least)} of arithmetic on {session.device}"
            )
        models = ", ".join(f"{base.label} ({size(base.policy.parameters)})" for base in plan.bases)
        self.console.print(f"models: {models}; sizes are non-embedding parameters", soft_wrap=True)
        for note in plan.notes:
            self.notice(note)
        for skip in plan.skipped:
            self.notice(f"{skip.intervention} on {skip.benchmark} is left out: {skip.reason}.")

    @contextmanager
    def running(self, plan: Plan) -> Iterator[Listener]:
        """Live progress over all cells, by items."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            yield _Bars(progress, plan, self.notice)

    def outcome(self, run: Path, outcome: Outcome, report: Path) -> None:
        """Scores with their intervals, what is significant, what failed, and where the page lies."""
        self.console.print(score_table(run))
        self.console.print(
            "± is half a 95 % interval; ▼ a loss and ▲ a gain against the first intervention, one-sided, "
            "Benjamini–Hochberg adjusted over this table at 5 %.",
            style="dim",
        )
        self.console.print(f"{outcome.computed} cells computed, {outcome.reused} reused.")
        for cell, failure in outcome.failures.items():
            self.console.print(f"[red]failed[/] {cell}: {failure}", soft_wrap=True)
        self.console.print(f"report: [bold]{report}[/]", soft_wrap=True)


def score_table(run: Path) -> Table:
    """Benchmarks and interventions down, models across."""
    from cai_eval.pages.taxes import verdict
    from cai_eval.study.analysis import headline
    from cai_eval.study.results import load_results

    scores, taxes = headline(load_results([run]))
    marks = {"loss": " ▼", "gain": " ▲"}
    verdicts = {(t.benchmark, t.rung, t.intervention): marks.get(verdict(t), "") for t in taxes.itertuples()}
    rungs = list(dict.fromkeys(scores.sort_values("parameters")["rung"]))
    table = Table("benchmark", "intervention", *rungs, box=None, pad_edge=False)
    for (benchmark, intervention), rows in scores.groupby(["benchmark", "intervention"], sort=False, observed=True):
        shown = {}
        for row in rows.itertuples():
            mark = verdicts.get((benchmark, row.rung, intervention), "")
            shown[row.rung] = f"{row.value:.3f} ±{(row.high - row.low) / 2:.3f}{mark}"
        table.add_row(benchmark, intervention, *(shown.get(rung, "–") for rung in rungs))
    return table


class _Bars(Listener):
    """One bar over the study, named by the cell at work; it counts arithmetic, so that the ETA holds across sizes."""

    def __init__(self, progress: Progress, plan: Plan, notice: Callable[[str], None]) -> None:
        self.progress = progress
        self.say = notice
        self.said: set[str] = set()
        self.total = progress.add_task("starting", total=sum(map(work, plan.cells)))
        self.counted: dict[str, float] = {}
        self.training: dict[str, TaskID] = {}

    def started(self, cell: Cell, done: int) -> None:
        self.progress.update(self.total, description=f"{cell.rung} · {cell.intervention} · {cell.benchmark}")
        self._count(cell, done)

    def advanced(self, cell: Cell, done: int) -> None:
        self._count(cell, done)

    def finished(self, cell: Cell, failure: str) -> None:
        self._count(cell, len(cell.items))

    def making(self, node: Node, done: float, total: float, note: str) -> None:
        if node.hash not in self.training:
            self.training[node.hash] = self.progress.add_task(node.trainer, total=total)
        self.progress.update(self.training[node.hash], completed=done, description=f"{node.trainer} {note}")

    def notice(self, text: str) -> None:
        if text not in self.said:
            self.said.add(text)
            self.say(text)

    def _count(self, cell: Cell, done: int) -> None:
        self.counted[cell.hash] = work(cell) * done / len(cell.items)
        self.progress.update(self.total, completed=sum(self.counted.values()))
