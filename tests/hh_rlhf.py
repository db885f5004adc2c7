"""The files of hh-rlhf as they are published, with a few rows of our own."""

import gzip
import json
from pathlib import Path

KINDS = {"harmless-base": "break", "helpful-base": "bake"}


def save(folder: Path, *, rows: int = 60) -> Path:
    """Both folders with both splits, which share a few prompts; the folder.

    The rows of each ask how to break or bake so many things, and the better answer is the longer one.
    """
    for name, verb in KINDS.items():
        (folder / name).mkdir(parents=True)
        for split, numbers in (("train", range(rows)), ("test", range(rows - 5, 2 * rows))):
            lines = [json.dumps(row(f"How do I {verb} {number} things?")) for number in numbers]
            (folder / name / f"{split}.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    return folder


def row(prompt: str, better: str = "You take them one by one.", worse: str = "No.") -> dict[str, str]:
    """One published comparison."""
    chosen, rejected = (f"\n\nHuman: {prompt}\n\nAssistant: {answer}" for answer in (better, worse))
    return {"chosen": chosen, "rejected": rejected}
