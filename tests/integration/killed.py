"""Runs `cai-eval` in child processes and kills them at random instants until one ends by itself.

    python killed.py KILLS LONGEST COUNTER -- ARGUMENTS OF cai-eval

Everything is imported once and each run is a fork, so that a kill every second is possible. COUNTER is a file that gets
one byte for each batch evaluated. Prints how many runs were killed; exits as the last run did.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path


def preload():
    """What a run imports; nothing that starts a thread."""
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import torch
    import transformers  # noqa: F401
    from transformers import AutoModelForCausalLM  # noqa: F401

    import cai_eval.cli.run
    import cai_eval.study.session  # noqa: F401

    torch.set_num_threads(1)


def child(arguments, counter):
    from cai_eval.cli import main
    from cai_eval.study import run

    os.setpgid(0, 0)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    run.BATCH = 16
    evaluate = run.evaluate_batch

    def counted(*args):
        with open(counter, "ab") as file:
            file.write(b".")
        return evaluate(*args)

    run.evaluate_batch = counted
    sys.argv = ["cai-eval", *arguments]
    main()


def main():
    kills, longest, counter = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    arguments = sys.argv[5:]
    preload()
    random.seed(7)
    killed = 0
    while True:
        pid = os.fork()
        if pid == 0:
            child(arguments, counter)
        if killed < kills:
            time.sleep(random.uniform(0, longest))
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            break
        killed += 1
    print(killed)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
