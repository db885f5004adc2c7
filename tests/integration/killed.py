"""Runs `cai-eval` in child processes and kills them at random instants, each time resuming, until KILLS have hit.

    python killed.py KILLS LONGEST FOLDER -- ARGUMENTS OF cai-eval

Everything is imported once and each run is a fork, so that a kill every second is possible. A run that ends by itself
before its kill is followed by a new one: run n writes to FOLDER/n, caches in FOLDER/n.cache, and puts one byte into
FOLDER/n.count for each batch evaluated. The last one is left to end. Prints the kills of each run as JSON; exits as
the last run did.
"""

import json
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
    kills, longest, folder = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    preload()
    random.seed(7)
    hits = [0]
    while True:
        number = len(hits) - 1
        os.environ["CAI_EVAL_CACHE"] = str(folder / f"{number}.cache")
        pid = os.fork()
        if pid == 0:
            child([*sys.argv[5:], "--out", str(folder / str(number))], folder / f"{number}.count")
        if sum(hits) < kills:
            time.sleep(random.uniform(0, longest))
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            hits[-1] += 1
        elif status or sum(hits) == kills:
            break
        else:
            hits.append(0)
    print(json.dumps(hits))
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
