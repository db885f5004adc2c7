"""Which policies a run trained by reinforcement, and what they were on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cai_eval.contracts import Results
from cai_eval.pages import scores

PPO, SNAPSHOT, BASE = "ppo", "ppo-snapshot", "base"


@dataclass(frozen=True)
class Path:
    """A policy's training. points: (intervention, answers it had learnt from), in order, itself last.

    A policy that no reinforcement made is a path of one point. What began with the untouched model begins with the
    study's first intervention, which is that model in some format.
    """

    intervention: str
    points: tuple[tuple[str, int], ...]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.points]


def paths(results: Results) -> dict[str, Path]:
    """Intervention → its path, in the order of the study; snapshots are points and no paths."""
    made = {each.intervention: each for each in results.trained}
    of = {name: each.inputs["of"] for name, each in made.items() if each.trainer == SNAPSHOT}
    found = {}
    for name in results.interventions:
        if name in of:
            continue
        each = made.get(name)
        if each is None or each.trainer != PPO:
            found[name] = Path(name, ((name, 0),))
            continue
        batch = _number(each.config, "batch")
        between = [snapshot for snapshot, final in of.items() if final == name]
        points = [(snapshot, _number(made[snapshot].config, "update") * batch) for snapshot in between]
        start = each.inputs["start"] if each.inputs["start"] != BASE else scores.base_intervention(results)
        begins = [(start, 0)] if start in results.interventions else []
        end = (name, _number(each.config, "updates") * batch)
        found[name] = Path(name, (*begins, *sorted(points, key=lambda point: point[1]), end))
    return found


def _number(config: Mapping[str, object], key: str) -> int:
    value = config[key]
    assert isinstance(value, int)
    return value
