"""A made-up study of constitutional AI: policies of known harm and help, at two sizes, as a run would give it."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from cai_eval.benchmarks.answers import Answers
from cai_eval.benchmarks.revisions import Revisions
from cai_eval.contracts import Kind, Record, Results, Trained

SIZES = {"small": 300_000, "large": 2_600_000}
TITLES = {
    "pretrained": "pretrained",
    "helpful-rlhf": "helpful RLHF",
    "helpful-rlhf-20": "helpful RLHF, 20 updates",
    "hh-rlhf": "HH RLHF",
    "sl-cai": "SL-CAI",
    "rl-cai": "RL-CAI",
    "rl-cai-20": "RL-CAI, 20 updates",
    "rl-cai-cot": "RL-CAI with CoT",
}
#: intervention → (chance of a helpful answer, mean harm, chance to dodge), at the larger size
NATURE = {
    "pretrained": (0.3, 2.0, 0.1),
    "helpful-rlhf": (0.9, 2.6, 0.0),
    "helpful-rlhf-20": (0.6, 2.3, 0.05),
    "hh-rlhf": (0.75, 1.2, 0.5),
    "sl-cai": (0.6, 1.6, 0.1),
    "rl-cai": (0.85, 0.6, 0.0),
    "rl-cai-20": (0.7, 1.1, 0.05),
    "rl-cai-cot": (0.8, 0.7, 0.05),
}
REVISED = {"revisions": 0.5, "revisions-direct": 0.3, "revisions-1-principle": 0.5, "revisions-4-principles": 0.5}
KINDS = ("harmful", "benign", "alarming", "question")


def study(folder: Path, seeds: int = 1, prompts: int = 40) -> Results:
    """Answers of all, revisions of helpful RLHF, and what PPO logged."""
    cells: dict[str, dict[str, object]] = {}
    details: dict[str, list[Record]] = {}
    for place, (rung, parameters) in enumerate(SIZES.items()):
        for name in TITLES:
            for seed in range(seeds):
                rng = np.random.default_rng(hash_of(f"{rung} {name} {seed}"))
                cell = f"answers-{rung}-{name}-{seed}"
                cells[cell] = about("answers", rung, parameters, name, seed)
                details[cell] = [answer(rng, i, NATURE[name], 0.6 + 0.4 * place) for i in range(prompts)]
        for benchmark, gain in REVISED.items():
            rng = np.random.default_rng(place)
            cell = f"{benchmark}-{rung}"
            cells[cell] = about(benchmark, rung, parameters, "pretrained", 0)
            details[cell] = [revised(rng, i, gain) for i in range(prompts)]
    records = pd.DataFrame(
        [
            (cell, record.item, record.cluster, record.category, metric, value)
            for cell, each in details.items()
            for record in each
            for metric, value in record.scores.items()
        ],
        columns=["cell", "item", "cluster", "category", "metric", "value"],
    )
    revisions = Revisions(Revisions.Config(rounds=2)).metrics()
    return Results(
        records,
        pd.DataFrame.from_dict(cells, orient="index"),
        {
            "answers": Answers(Answers.Config()).metrics(),
            **dict.fromkeys(REVISED, revisions),
        },
        details.__getitem__,
        TITLES,
        "the laboratory: made up",
        trained(folder),
    )


def about(benchmark: str, rung: str, parameters: int, intervention: str, seed: int) -> dict[str, object]:
    return {
        "model": rung,
        "rung": rung,
        "parameters": parameters,
        "intervention": intervention,
        "seed": str(seed),
        "benchmark": benchmark,
        "label": "",
        "prefix_tokens": 0,
        "items": 0,
        "errors": 0,
        "seconds": 1.0,
        "means": {},
    }


def grades(rng: np.random.Generator, kind: str, nature: tuple[float, float, float], skill: float) -> dict[str, float]:
    helps, harm, dodges = nature
    harmful = kind == "harmful"
    dodge = rng.random() < dodges
    return {
        "helpful": float(not harmful and not dodge and rng.random() < helps * skill),
        "honest": 0.0,
        "harm": float(np.clip(np.round(rng.normal(harm, 1)), 0, 4)) if harmful and not dodge else 0.0,
        "evasive": float(dodge),
        "garbled": float(rng.random() < 0.1 * (1 - skill)),
    }


def answer(rng: np.random.Generator, number: int, nature: tuple[float, float, float], skill: float) -> Record:
    kind = KINDS[number % 4]
    samples = [
        {"text": f"answer {n}", "finish": "stop", "tokens": 9, "grades": grades(rng, kind, nature, skill)}
        for n in range(2)
    ]
    counted = ("evasive", "garbled", *(("harm",) if kind == "harmful" else ("helpful",)))
    scores = {name: float(np.mean([sample["grades"][name] for sample in samples])) for name in counted}
    return Record(
        f"p{number}",
        f"c{number // 2}",
        kind,
        {"length": 9.0, **scores},
        f"prompt {number}",
        details={"samples": samples},
    )


def revised(rng: np.random.Generator, number: int, gain: float) -> Record:
    harms = [float(np.clip(np.round(rng.normal(2.5 - gain * n, 0.8)), 0, 4)) for n in range(3)]
    scores = {
        f"{name} {n}": harms[n] if name == "harm" else 0.0 for name in ("harm", "evasive", "garbled") for n in range(3)
    }
    steps = [{"round": n, "principle": "less-harm", "critique": "It harms.", "revision": f"text {n}"} for n in (1, 2)]
    return Record(
        f"r{number}",
        f"r{number}",
        "harmful",
        {"changed": 1.0, **scores},
        f"prompt {number}",
        details={"texts": ["text 0", "text 1", "text 2"], "chain": steps, "grades": [{"harm": harm} for harm in harms]},
    )


#: policy → what it starts from; the reward of each was trained on the helpful labels
REINFORCED = {"helpful-rlhf": "base", "hh-rlhf": "base", "rl-cai": "sl-cai", "rl-cai-cot": "sl-cai"}


def trained(folder: Path) -> list[Trained]:
    """What made the policies; the PPO ones have logs, and the data sets rows."""
    return [each for rung, parameters in SIZES.items() for each in trained_at(rung, parameters, folder / rung)]


def trained_at(rung: str, parameters: int, place: Path) -> list[Trained]:
    made: list[Trained] = []

    def add(name: str, kind: Kind, trainer: str, config: dict[str, object], **inputs: str) -> Path:
        own = place / name
        own.mkdir(parents=True)
        made.append(Trained(name, rung, parameters, 0, kind, trainer, config, inputs, own))
        return own

    write_rows(add("helpful-labels", "dataset", "preference-labels", {}), [label(n) for n in range(3)])
    add("pm", "scorer", "preference-model", {}, comparisons="helpful-labels")
    write_rows(add("other-labels", "dataset", "preference-labels", {}), [label(n) for n in range(5)])
    add("other-pm", "scorer", "preference-model", {}, comparisons="other-labels")
    watched = {"reward": "pm", "held_out": "other-pm"}
    for name, start in REINFORCED.items():
        log = add(name, "policy", "ppo", {"updates": 60, "batch": 64}, start=start, **watched) / "log.jsonl"
        log.write_text("".join(json.dumps(entry) + "\n" for entry in ppo_log()))
        best = {"n": [1, 4], "kl": [0.0, 0.25], "log_n": [0.0, 1.4], "reward": [0.0, 0.5], "held_out": [0.0, 0.4]}
        (log.parent / "best-of-n.json").write_text(json.dumps(best))
    for final in ("helpful-rlhf", "rl-cai"):
        add(f"{final}-20", "policy", "ppo-snapshot", {"update": 20}, of=final)
    revisions = add("revisions", "dataset", "critique-revision", {}, sampler="base", critic="base")
    write_rows(revisions, [chain(number, length) for number in range(2) for length in (1, 2)])
    add("sl-cai", "policy", "fine-tune", {}, start="base", dialogues="revisions")
    return made


def write_rows(folder: Path, rows: list[dict[str, object]]) -> None:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "artefact.json").write_text(json.dumps({"artefact": {"path": "rows.jsonl"}}))


def label(number: int) -> dict[str, object]:
    sides = {"first": "First.", "second": "Second.", "label": 1.0}
    return {"id": f"l{number}", "prompt": "Human: Q\n\nAssistant:", **sides, "by": "oracle", "principle": ""}


def chain(number: int, length: int) -> dict[str, object]:
    steps = [{"principle": "less-harm", "critique": "It harms.", "revision": f"Mended {n}."} for n in range(length)]
    about = {"id": f"{number}/round {length}", "kind": "harmful", "round": length, "prompt": f"Q{number}"}
    return {**about, "answer": "A.", "text": "", "chain": steps}


def ppo_log() -> list[dict[str, object]]:
    return [
        {
            "step": 4 * n,
            "evaluation": {
                "reward": 0.1 * n**0.5,
                "held_out": 0.08 * n**0.5,
                "kl": 0.05 * n,
                "sqrt_kl": (0.05 * n) ** 0.5,
                "entropy": 2.0,
                "length": 20.0,
                "clipped": 0.02,
            },
        }
        for n in range(1, 20)
    ]


def hash_of(text: str) -> int:
    return int(sha256(text.encode()).hexdigest()[:12], 16)
