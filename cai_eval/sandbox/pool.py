"""Programs in, outcomes out: several workers side by side."""

import itertools
import os
import selectors
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal, Self, get_args

from cai_eval.errors import UserError
from cai_eval.sandbox.program import Layers, Limits, Outcome, Program, Verdict
from cai_eval.sandbox.worker import RefusedError, Worker

Backend = Literal["auto", "namespaces", "landlock", "filter", "bwrap"]
AHEAD = 64  # outcomes a worker that may wait for an older one


class Sandbox:
    """Runs programs against their tests, each in a process of its own. Use it as a context manager.

    `backend="auto"` takes the first that the kernel grants: namespaces, Landlock, the system-call filter alone; any
    other is taken or refused. `layers` says what stands and what stays open.
    """

    def __init__(self, limits: Limits | None = None, workers: int | None = None, backend: Backend = "auto") -> None:
        """Start the workers (two a core unless told). Raises UserError where the back end is not to be had."""
        if sys.platform != "linux":
            raise UserError("programs can be run on Linux only; run cai-eval in a Linux container or virtual machine.")
        if backend not in get_args(Backend):
            raise UserError(f"unknown sandbox back end {backend!r}: there are {', '.join(get_args(Backend))}.")
        self.limits = limits or Limits()
        choices = ("namespaces", "landlock", "filter") if backend == "auto" else (backend,)
        self._workers, self.layers = _start(choices, self.limits, workers or 2 * len(os.sched_getaffinity(0)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.close()
        self._workers = []

    def run(self, programs: Iterable[Program]) -> Iterator[Outcome]:
        """The outcomes, in the order of the programs; each is read when there is room for it.

        One iterator at a time; an abandoned one leaves the sandbox as good as new.
        """
        numbered = enumerate(programs)
        done: dict[int, Outcome] = {}
        try:
            for due in itertools.count():
                while due not in done:
                    if len(done) < AHEAD * len(self._workers):
                        self._feed(numbered)
                    if all(worker.number is None for worker in self._workers):
                        return
                    done.update(self._collect())
                yield done.pop(due)
        finally:
            for index, worker in enumerate(self._workers):
                if worker.number is not None:
                    self._replace(index)

    def _feed(self, numbered: Iterator[tuple[int, Program]]) -> None:
        """Give every idle worker something to do."""
        for worker in self._workers:
            if worker.number is None and (following := next(numbered, None)) is not None:
                worker.send(*following)

    def _collect(self) -> Iterator[tuple[int, Outcome]]:
        """Wait for outcomes; a judge that is gone or late is replaced."""
        with selectors.DefaultSelector() as selector:
            for index, worker in enumerate(self._workers):
                if worker.number is not None:
                    selector.register(worker, selectors.EVENT_READ, index)
            ready = selector.select(max(0.0, min(worker.remaining for worker in self._workers)))
        for key, _ in ready:
            try:
                yield self._workers[key.data].receive()
            except (EOFError, OSError):
                yield self._give_up(key.data, "sandbox error", "the judge's process ended")
        for index, worker in enumerate(self._workers):
            if worker.remaining < 0:
                yield self._give_up(index, "timeout", f"not finished after {self.limits.seconds:g} s")

    def _give_up(self, index: int, verdict: Verdict, message: str) -> tuple[int, Outcome]:
        """End a worker and what it judges, and start another."""
        worker = self._workers[index]
        assert worker.number is not None
        outcome = worker.number, Outcome(verdict, message, worker.busy)
        self._replace(index)
        return outcome

    def _replace(self, index: int) -> None:
        self._workers[index].close()
        self._workers[index] = Worker(self.layers.backend, self.limits)
        self._workers[index].greet()


def _start(backends: Iterable[str], limits: Limits, count: int) -> tuple[list[Worker], Layers]:
    """Workers of the first back end that the kernel grants."""
    refused: list[str] = []
    for backend in backends:
        workers = [Worker(backend, limits) for _ in range(count)]
        try:
            layers = [worker.greet() for worker in workers]
        except RefusedError as error:
            refused.append(str(error))
            for worker in workers:
                worker.close()
        else:
            return workers, replace(layers[0], refused=tuple(refused))
    raise UserError(f"this machine refuses the sandbox ({'; '.join(refused)}); choose another back end.")
