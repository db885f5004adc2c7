"""CPU time of commands that must feel instant: median of seven runs, user and system."""

import os
import statistics
import subprocess
import sys

TARGETS = {"--help": 0.15, "list": 0.5}


def cpu_seconds(*arguments: str) -> float:
    before = os.times()
    subprocess.run([sys.executable, "-m", "cai_eval", *arguments], stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    bare = statistics.median(_python() for _ in range(7))
    print(f"python -c pass: {bare:.3f} s")
    for command, target in TARGETS.items():
        seconds = statistics.median(cpu_seconds(command) for _ in range(7))
        print(f"cai-eval {command}: {seconds:.3f} s of CPU time (target {target}; ratio {seconds / target:.2f})")


def _python() -> float:
    before = os.times()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    main()
