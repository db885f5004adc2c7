"""Peak memory of scoring behind a shared prefix: a longer prefix costs its own keys and values, however many rows.

    python tests/performance/prefix_memory.py [--vocabulary 2048]

Each line is a process of its own that scores 64 items of 250 tokens (a row each) in batches of so many rows: its
peak resident size in MiB above that of the loaded model, and what a cache repeated for each row would hold. The ratio
is that of what the longer prefix adds, at the most rows to one row.
"""

import argparse
import resource
import subprocess
import sys

from harness import random_model

PREFIXES = (256, 8192)
ROWS = (1, 64)


def peak() -> int:
    """Peak resident size of this process, KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(prefix: int, rows: int, vocabulary: int) -> None:
    """Print the KiB by which scoring raises the peak, and the bytes of the prefix's keys and values."""
    import numpy as np
    import torch

    from cai_eval.inference.logprobs import Engine, Target

    torch.set_num_threads(1)
    engine = Engine(random_model(vocabulary, 16_384), max_batch_tokens=rows * 256)
    ids = np.random.default_rng(0).integers(0, vocabulary, (64, 250)).tolist()
    before = peak()
    engine.logprobs(ids[0] * (prefix // 250) + ids[0][: prefix % 250], [Target(tuple(i), 245) for i in ids])
    print(peak() - before, engine.usage.cache_bytes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabulary", type=int, default=2048)
    parser.add_argument("--measure", type=int, nargs=2, metavar=("PREFIX", "ROWS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure, options.vocabulary)
        return
    print("prefix   rows a batch   peak MiB   repeated cache MiB")
    peaks = {}
    for prefix in PREFIXES:
        for rows in ROWS:
            command = [sys.executable, __file__, "--vocabulary", str(options.vocabulary)]
            command += ["--measure", str(prefix), str(rows)]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            kib, cache = map(int, output.split())
            peaks[prefix, rows] = kib / 1024
            print(f"{prefix:6}   {rows:12}   {kib / 1024:8.1f}   {rows * cache / 2**20:8.1f}")
    added = [peaks[PREFIXES[-1], rows] - peaks[PREFIXES[0], rows] for rows in ROWS]
    print(f"the longer prefix adds {added[0]:.1f} MiB at {ROWS[0]} row, {added[-1]:.1f} MiB at {ROWS[-1]} rows")
    print(f"ratio {added[-1] / added[0]:.2f}")


if __name__ == "__main__":
    main()
