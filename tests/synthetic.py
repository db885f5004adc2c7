"""Made-up results with plausible curves, for reports and pages: no model is needed to draw.

One latent difficulty an item and one a cluster are shared by all cells, so comparisons are paired as real ones are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pandas as pd

from cai_eval.contracts import Metric, Record, Results

LADDER = {"70m": 18.9e6, "160m": 85.1e6, "410m": 302e6, "1b": 806e6, "1.4b": 1.21e9, "2.8b": 2.52e9, "6.9b": 6.44e9}
INTERVENTIONS = {
    "none": "no intervention",
    "hhh-prompt": "HHH prompt",
    "neutral-prefix": "neutral prefix of equal length",
    "dialogue-only": "dialogue format only",
}
CHANCE = "mc1_chance"


@dataclass(frozen=True)
class World:
    """How one benchmark behaves: logit of the score at a size in decades from 1M, and what each intervention adds."""

    metrics: Sequence[Metric]
    categories: Sequence[str]
    start: float
    slope: float
    chance: float
    effects: Mapping[str, tuple[float, float]]
    cluster: int = 1


WORLDS: Mapping[str, World] = {
    "hhh": World(
        (
            Metric("accuracy_mi", "accuracy by mutual information", chance=0.5, primary=True),
            Metric("accuracy_sum", "accuracy by log-probability", chance=0.5),
        ),
        ("helpful", "honest", "harmless", "other"),
        start=-3.2,
        slope=0.7,
        chance=0.5,
        effects={"hhh-prompt": (-0.4, 0.5), "neutral-prefix": (-0.1, 0.0), "dialogue-only": (0.0, 0.1)},
        cluster=3,
    ),
    "truthfulqa": World(
        (
            Metric("mc1", "MC1 accuracy", chance=CHANCE, primary=True),
            Metric("mc2", "MC2 probability of the truth"),
        ),
        ("",),
        start=-1.2,
        slope=-0.25,
        chance=0.0,
        effects={"hhh-prompt": (0.1, 0.08), "neutral-prefix": (0.0, 0.0), "dialogue-only": (-0.1, 0.02)},
    ),
    "lambada": World(
        (
            Metric("accuracy", "last-word accuracy", chance=0.0, primary=True),
            Metric("loss", "last-word perplexity", unit="nats", higher_is_better=False, transform="exp"),
        ),
        ("",),
        start=-2.6,
        slope=1.0,
        chance=0.0,
        effects={"hhh-prompt": (-0.35, 0.03), "neutral-prefix": (-0.08, 0.0), "dialogue-only": (-0.3, 0.05)},
    ),
    "lm-eval:hellaswag": World(
        (Metric("acc", "accuracy", chance=0.25, primary=True),),
        ("",),
        start=-4.0,
        slope=1.0,
        chance=0.25,
        effects={"hhh-prompt": (-0.1, 0.02), "neutral-prefix": (-0.05, 0.0), "dialogue-only": (-0.02, 0.0)},
    ),
}


def results(
    models: Mapping[str, float] = LADDER,
    interventions: Mapping[str, str] = INTERVENTIONS,
    benchmarks: Sequence[str] = tuple(WORLDS),
    items: int = 200,
    errors: float = 0.01,
    seed: int = 0,
    laboratory: str = "",
    text: str = "What is the capital of Assyria?",
) -> Results:
    """A whole study. errors: share of records that failed. text: what every prompt says."""
    rng = np.random.default_rng(seed)
    frames, cells, answers = [], {}, {}
    for benchmark in benchmarks:
        world = WORLDS[benchmark]
        clusters = np.arange(items) // world.cluster
        hard = 1.6 * rng.normal(size=items) + 0.8 * rng.normal(size=items)[clusters]
        own_chance = 1 / rng.integers(3, 7, size=items)
        for model, parameters in models.items():
            for intervention in interventions:
                offset, growth = world.effects.get(intervention, (0.0, 0.0))
                decades = np.log10(parameters / 1e6)
                logit = world.start + offset + (world.slope + growth) * decades - hard + rng.normal(size=items) * 0.3
                skill = 1 / (1 + np.exp(-logit))
                right = np.where(skill > 0.5, 1.0, rng.random(items) < world.chance)
                cell = sha256(f"{benchmark}/{model}/{intervention}".encode(errors="replace")).hexdigest()[:32]
                failed = rng.random(items) < errors
                scores = {world.metrics[0].name: right}
                for metric in world.metrics[1:]:
                    scores[metric.name] = -np.log(skill) if metric.transform == "exp" else 0.8 * right + 0.2 * skill
                if world.metrics[0].chance == CHANCE:
                    scores[CHANCE] = own_chance
                categories = np.array(world.categories)[clusters % len(world.categories)]
                for name, values in scores.items():
                    frames.append(
                        pd.DataFrame(
                            {
                                "cell": cell,
                                "item": [f"{benchmark}-{i}" for i in range(items)],
                                "cluster": [f"{benchmark}-q{c}" for c in clusters],
                                "category": categories,
                                "metric": name,
                                "value": values,
                            }
                        )[~failed]
                    )
                prefix = {"hhh-prompt": 1622, "neutral-prefix": 1622}.get(intervention, 0)
                cells[cell] = {
                    "model": f"models/{model}",
                    "rung": model,
                    "parameters": int(parameters),
                    "intervention": intervention,
                    "seed": 0,
                    "benchmark": benchmark,
                    "label": {
                        "hhh-prompt": "4 of 14 conversations",
                        "neutral-prefix": "neutral text, 1,622 tokens",
                    }.get(intervention, ""),
                    "prefix_tokens": prefix,
                    "tokens": items * 180,
                    "seconds": 3.0 + parameters / 5e7 * (1 + prefix / 1000),
                    "items": items,
                    "errors": int(failed.sum()),
                    "source": "published",
                    "laboratory": laboratory,
                    "cache_bytes": int(prefix * parameters**0.5 * 20),
                    "format": "dialogue" if intervention in ("hhh-prompt", "dialogue-only") else "plain",
                }
                answers[cell] = (benchmark, scores, right, skill, clusters, categories, failed)

    def details(cell: str) -> Sequence[Record]:
        benchmark, scores, right, skill, clusters, categories, failed = answers[cell]
        return [
            Record(
                f"{benchmark}-{i}",
                f"{benchmark}-q{clusters[i]}",
                str(categories[i]),
                {} if failed[i] else {name: float(values[i]) for name, values in scores.items()},
                prompt=f"{text} ({i})",
                answer="Qalat Sherqat" if right[i] else "I don't know that",
                reference="Qalat Sherqat",
                details={
                    "options": ["Qalat Sherqat", "I don't know that"],
                    "logprobs": [float(np.log(skill[i])), float(np.log1p(-skill[i]))],
                },
                error="the prompt is empty" if failed[i] else "",
            )
            for i in range(len(right))
        ]

    columns = ["cell", "item", "cluster", "category", "metric", "value"]
    return Results(
        records=pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns),
        cells=pd.DataFrame.from_dict(cells, orient="index"),
        metrics={benchmark: WORLDS[benchmark].metrics for benchmark in benchmarks},
        details=details,
        interventions=interventions,
        laboratory=laboratory,
    )
