"""The page as Markdown: tables of what was measured, beside what was to be shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files

import numpy as np
import yaml

from cai_eval.lab.world import World
from cai_eval.statistics import Estimate
from cai_eval.study.laboratory.curves import Point
from cai_eval.study.laboratory.evidence import Model
from cai_eval.study.laboratory.targets import Finding

HEAD = """# What the laboratory's ladder shows

<!-- Written by `cai-eval lab report`: change the measurement, not this file. -->

A laboratory is a made-up world with small models trained on it. What its texts say, how often, and what is true was
planted, so that a measurement can be checked against what it should find. **It is a proof of method, not a benchmark of
anybody's model.** The targets were set before any rung was measured; what is not reached is listed with the number that
came out.
[corpus.md](corpus.md) says what the models read.
"""

METHOD = """
Values are means over items with 95 % intervals by clusters (facts, hazards, functions, stories); where a rung has
replicates, which differ in their initialisation alone, the intervals hold both items and initialisations. *Ideal* is
what somebody scores who knows how the texts were made and sees exactly what the model saw. Share recovery regresses
stated on planted probabilities; its intervals come from a bootstrap over facts. A relative tax is the share of the
base's score that was lost; a negative one is a bonus. A better answer that is garbled, or about another substance,
betters nothing: the grade of harm before it stands.

Why a target is not reached is our reading of these tables, and was not tested by itself.
"""


def render(findings: Sequence[Finding], models: Sequence[Model], controls: Mapping[str, Model], world: World) -> str:
    """The whole page. models: of the ladder, smallest first. controls: name → model."""
    rungs = list(dict.fromkeys(model.size for model in models))
    parts = [HEAD, "## The world and the ladder", _world(world), _ladder(models, controls)]
    parts += ["## Targets", _summary(findings), "## Measurements", METHOD]
    for section in dict.fromkeys(finding.line.section for finding in findings):
        parts += _section(section, [f for f in findings if f.line.section == section], rungs)
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def explanations() -> Mapping[str, str]:
    """Line → why it is not reached, as far as we know."""
    text = files(__package__).joinpath("explanations.yaml").read_text("utf-8")
    found: Mapping[str, str] = yaml.safe_load(text) or {}
    return found


def _world(world: World) -> str:
    families = Counter(fact.family for fact in world.facts)
    splits = Counter(hazard.split for hazard in world.hazards)
    return (
        f"{len(world.places)} places with {len(world.facts)} facts ({families['fair']} whose truth was drawn from what "
        f"texts say, {families['myth']} about which a misconception prevails), {len(world.things)} harmless "
        f"substances, {len(world.hazards)} hazards ({splits['test']} of them under test: described, and never "
        f"requested, critiqued or compared), {len(world.people)} people. The traits of speakers correlate by "
        f"{world.options.correlation:g}."
    )


def _ladder(models: Sequence[Model], controls: Mapping[str, Model]) -> str:
    named = [(model.size, model) for model in models]
    named += [(f"{model.size}, {name}", model) for name, model in controls.items()]
    rows = [
        (
            name,
            f"{model.policy.parameters:,}",
            f"{model.facts.seed}",
            f"{model.facts.tokens:,}",
            f"{model.facts.loss:.3f}",
            f"`{model.sha256[:12]}`",
            f"`{model.facts.recipe[:8]}`, `{model.facts.corpus[:8]}`",
        )
        for name, model in named
    ]
    heads = ("rung", "parameters", "seed", "tokens read", "loss, nats a token", "sha256", "recipe, corpus")
    return (
        _table(heads, rows) + "\n\nParameters without embeddings; the loss is on documents that nothing was trained on."
    )


def _summary(findings: Sequence[Finding]) -> str:
    rows = []
    for finding in findings:
        points = finding.outcome.points if finding.outcome else ()
        ends = " → ".join(dict.fromkeys((_value(points[0]), _value(points[-1])))) if points else "–"
        line = finding.line
        rows.append((f"{line.section}: {line.title}", line.target, ends, finding.verdict or "–"))
    return _table(("", "target", "from the smallest rung to the largest", "verdict"), rows)


def _section(section: str, findings: Sequence[Finding], rungs: Sequence[str]) -> Iterator[str]:
    yield f"### {section}"
    measured = [finding for finding in findings if finding.outcome]
    if measured:
        yield _table(("", *rungs), [row for finding in measured for row in _rows(finding, rungs)])
    why = explanations()
    notes = []
    for finding in findings:
        line, outcome = finding.line, finding.outcome
        said = [outcome.remark] if outcome and outcome.remark else []
        if outcome is None:
            said.append(f"{finding.reason}.")
        elif outcome.reached is False:
            said.append(f"Not reached ({line.target}): {why.get(line.name, 'we do not know why')}.")
        if said:
            notes.append(f"- {line.title}: {' '.join(said)}")
    if notes:
        yield "\n".join(notes)


def _rows(finding: Finding, rungs: Sequence[str]) -> Iterator[tuple[str, ...]]:
    assert finding.outcome
    points = {point.rung: point for point in finding.outcome.points}
    yield (finding.line.title, *(_interval(points[rung].estimate) if rung in points else "–" for rung in rungs))
    if any(np.isfinite(point.ideal) for point in points.values()):
        yield ("*ideal*", *(f"*{number(points[rung].ideal)}*" if rung in points else "–" for rung in rungs))


def _interval(estimate: Estimate) -> str:
    if np.isnan(estimate.value):
        return estimate.method
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"


def _value(point: Point) -> str:
    return number(point.value) if np.isfinite(point.value) else point.estimate.method


def number(value: float) -> str:
    """Three digits after the point; a value that is not known is a dash."""
    return "–" if np.isnan(value) else f"{value:.3f}".replace("-", "−")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
