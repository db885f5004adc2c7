"""Rungs side by side, each in a process of its own: a small model leaves most cores of a machine idle.

A process plans the same order anew, so that little passes between the two: where to work, and what has been done. The
run directory is locked by the process that started them; they end when it does, however that came about.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cai_eval.errors import UserError
from cai_eval.study.graph import Node
from cai_eval.study.plan import Cell
from cai_eval.study.run import Listener, Runner
from cai_eval.study.session import Order, Session, open_models, prepare
from cai_eval.study.store import RunDirectory

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def jobs_for(session: Session, asked: int | None) -> int:
    """How many rungs at once, at most all that the plan has, whatever of it is done.

    Unless the user asks for a number: the small models of a laboratory share a CPU, others have the machine to
    themselves.
    """
    alone = not session.laboratory or session.device != "cpu" or "WORLD_SIZE" in os.environ
    return min(asked or (1 if alone else cores()), len(session.plan.bases))


@dataclass(frozen=True)
class SideBySide:
    """Computes cells with `jobs` rungs at once, the largest first. runner: of this process, for what rungs share.

    A rung has its part of the cores, also where it is the last: sums are rounded by how many threads share them, and a
    run that goes on with few rungs is to end as an undisturbed one does.
    """

    order: Order
    runner: Runner
    jobs: int

    def work(self, cells: Sequence[Cell]) -> Mapping[str, str]:
        """What failed, as `Runner.work` says it. Raises UserError for what only the user can mend, with the others
        stopped where they are.
        """
        self._make_what_rungs_share(cells)
        waiting = list(dict.fromkeys(cell.rung for cell in sorted(cells, key=lambda cell: cell.parameters)))
        known = {cell.hash: cell for cell in cells}, {n.hash: n for cell in cells for n in cell.node.walk()}
        failures: dict[str, str] = {}
        running: dict[Connection, SpawnProcess] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    rung = waiting.pop()
                    mine = [cell.hash for cell in cells if cell.rung == rung]
                    started, process = self._start(rung, mine, cores() // self.jobs)
                    running[started] = process
                spoken = wait(list(running))
                for pipe in [one for one in running if one in spoken]:
                    try:
                        said = pipe.recv()
                    except (EOFError, OSError):  # at the end of a message, or in the midst of one
                        _joined(running.pop(pipe))
                    else:
                        failures |= self._heard(said, *known)
        finally:
            for process in running.values():
                process.kill()
                process.join()
        return failures

    def _make_what_rungs_share(self, cells: Sequence[Cell]) -> None:
        """Two processes must not make one artefact."""
        rungs: dict[str, set[str]] = defaultdict(set)
        nodes: dict[str, Node] = {}
        for cell in cells:
            for node in cell.node.walk():
                rungs[node.hash].add(cell.rung)
                nodes[node.hash] = node
        for name, node in nodes.items():
            if len(rungs[name]) > 1:
                try:
                    self.runner.maker.artefact(node)
                except UserError:
                    raise
                except Exception:  # its cells will say so
                    continue

    def _start(self, rung: str, cells: Sequence[str], threads: int) -> tuple[Connection, SpawnProcess]:
        context = get_context("spawn")  # torch's threads do not survive a fork
        ours, theirs = context.Pipe(duplex=False)
        asked = self.order, self.runner.directory.path, cells, max(1, threads), theirs
        process = context.Process(target=_compute, args=asked, name=rung)
        process.start()
        theirs.close()
        return ours, process

    def _heard(self, said: tuple[Any, ...], cells: Mapping[str, Cell], nodes: Mapping[str, Node]) -> Mapping[str, str]:
        """Pass on what a process tells; its failures, where it is done."""
        listener = self.runner.listener
        match said:
            case "started", cell, done:
                listener.started(cells[cell], done)
            case "advanced", cell, done:
                listener.advanced(cells[cell], done)
            case "finished", cell, failure:
                listener.finished(cells[cell], failure)
            case "making", node, done, total, note:
                listener.making(nodes[node], done, total, note)
            case "notice", text:
                listener.notice(text)
            case "refused", why:
                raise UserError(why)
            case "done", failures:
                return dict(failures)
        return {}


def _joined(process: SpawnProcess) -> None:
    """Raises UserError where it did not end by itself."""
    process.join()
    if process.exitcode:
        raise UserError(
            f"the process of {process.name} ended with {process.exitcode}, perhaps for lack of memory: run the same "
            "command with --jobs 1."
        )


class _Relay(Listener):
    """Tells the process that started this one."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def started(self, cell: Cell, done: int) -> None:
        self._pipe.send(("started", cell.hash, done))

    def advanced(self, cell: Cell, done: int) -> None:
        self._pipe.send(("advanced", cell.hash, done))

    def finished(self, cell: Cell, failure: str) -> None:
        self._pipe.send(("finished", cell.hash, failure))

    def notice(self, text: str) -> None:
        self._pipe.send(("notice", text))

    def making(self, node: Node, done: float, total: float, note: str) -> None:
        self._pipe.send(("making", node.hash, done, total, note))


def _compute(order: Order, path: Path, cells: Sequence[str], threads: int, pipe: Connection) -> None:
    """What a process does: the cells of these hashes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that waits
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(threads)
    listener = _Relay(pipe)
    warnings.showwarning = lambda message, *_, **__: listener.notice(str(message))
    with redirect_stdout(sys.stderr):
        try:
            models = open_models(order)
            session = prepare(order, models)
            planned = {cell.hash: cell for cell in reversed(session.plan.cells)}
            if not planned.keys() >= set(cells):
                raise UserError("suite, models or data have changed since the run was planned: start it again.")
            runner = Runner(RunDirectory(path), models, session.source, listener)
            pipe.send(("done", dict(runner.work([planned[cell] for cell in cells]))))
        except UserError as error:
            pipe.send(("refused", str(error)))


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
