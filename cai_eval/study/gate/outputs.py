"""A gate's judgements for people and machines: one line each, markdown, JUnit XML, JSON. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any
from xml.etree import ElementTree

from cai_eval.pages.scores import display
from cai_eval.pages.text import visible
from cai_eval.study.gate.verdicts import Flip, Judgement, Verdict

SHOWN = 20  #: flipped items of one judgement that are listed; JSON has them all
SIGNS: Mapping[Verdict, str] = {"regressed": "❌", "passed": "✅", "inconclusive": "❔"}


def headline(judgements: Sequence[Judgement]) -> str:
    """How many of each verdict."""
    counts = Counter(judgement.verdict for judgement in judgements)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in SIGNS if counts[verdict])


def reason(judgement: Judgement) -> str:
    """The verdict in one sentence."""
    loss, pair = judgement.loss, judgement.pair
    if judgement.verdict == "regressed":
        return (
            f"{pair.scope} lost {loss.value:.3f} in {pair.metric.label}, more than the tolerance of {pair.tolerance:g} "
            f"(adjusted p = {judgement.p_adjusted:.2g})"
        )
    if judgement.verdict == "passed":
        return f"{pair.scope} lost less than {pair.tolerance:g}: at most {loss.upper:.3f}"
    bound = f"at most {loss.upper:.3f}" if isfinite(loss.upper) else "nobody can say how much"
    return f"{pair.scope} may have lost something ({loss.value:.3f}, {bound}); {needed(judgement)} would settle it"


def needed(judgement: Judgement) -> str:
    """What would settle an inconclusive verdict, if the estimate stayed what it is."""
    if isfinite(judgement.settled_by):
        return f"{judgement.settled_by:,.0f} items instead of {judgement.loss.n:,}"
    return "more training seeds" if judgement.pair.scope == "this method" else "items of more clusters"


def shown(judgement: Judgement) -> tuple[str, str, str]:
    """Scores before and after as their metric is displayed, and the loss with its bound."""
    before, after = (f"{display(judgement.pair.metric, score):.3f}" for score in (judgement.before, judgement.after))
    upper = judgement.loss.upper
    return before, after, f"{judgement.loss.value:+.3f} (< {f'{upper:+.3f}' if isfinite(upper) else '?'})"


def markdown(judgements: Sequence[Judgement], notes: Sequence[str]) -> str:
    """For a GitHub step summary: a table, then the items that flipped, folded."""
    rows = [
        "| | model | benchmark | intervention | baseline | this run | loss (bound) | p | flipped | |",
        "|---|---|---|---|---:|---:|---:|---:|---:|---|",
    ]
    for judgement in judgements:
        place = judgement.pair.place
        cells = (
            SIGNS[judgement.verdict],
            *(place.rung, place.benchmark, place.intervention, *shown(judgement), f"{judgement.p_adjusted:.2g}"),
            *(f"−{len(judgement.lost)} +{len(judgement.won)}", f"{judgement.verdict}: {reason(judgement)}"),
        )
        rows.append("| " + " | ".join(_escaped(cell) for cell in cells) + " |")
    folded = [
        f"<details><summary>{_escaped(judgement.pair.place)}: items lost</summary>\n\n"
        + "\n".join(f"- `{line}`" for line in listed(judgement.lost))
        + "\n\n</details>"
        for judgement in judgements
        if judgement.lost
    ]
    parts = [f"## cai-eval check: {headline(judgements)}", "\n".join(rows), *map(_escaped, notes), *folded]
    return "\n\n".join(parts) + "\n"


def junit(judgements: Sequence[Judgement], strict: bool) -> str:
    """One test case a judgement; what is inconclusive counts as skipped, or as failed where that is strict."""
    counts = Counter(judgement.verdict for judgement in judgements)
    failures = counts["regressed"] + strict * counts["inconclusive"]
    suite = ElementTree.Element(
        "testsuite",
        name="cai-eval check",
        tests=str(len(judgements)),
        failures=str(failures),
        errors="0",
        skipped=str(0 if strict else counts["inconclusive"]),
    )
    for judgement in judgements:
        place = judgement.pair.place
        name = visible(f"{place.rung}, {place.intervention}")
        case = ElementTree.SubElement(suite, "testcase", classname=visible(place.benchmark), name=name)
        if judgement.verdict == "passed":
            continue
        kind = "failure" if strict or judgement.verdict == "regressed" else "skipped"
        entry = ElementTree.SubElement(case, kind, message=visible(reason(judgement)), type=judgement.verdict)
        entry.text = "".join(f"lost: {visible(line)}\n" for line in listed(judgement.lost))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def as_json(judgements: Sequence[Judgement]) -> list[dict[str, Any]]:
    """Every number and every flipped item; None for what the data cannot say."""
    return [
        {
            **vars(judgement.pair.place),
            "metric": judgement.pair.metric.name,
            "verdict": judgement.verdict,
            "scope": judgement.pair.scope,
            "reason": reason(judgement),
            "seeds": [len(judgement.pair.before), len(judgement.pair.after)],
            "before": judgement.before,
            "after": judgement.after,
            "loss": judgement.loss.value,
            "upper": _number(judgement.loss.upper),
            "p": judgement.loss.p,
            "p_adjusted": judgement.p_adjusted,
            "detectable": _number(judgement.loss.detectable),
            "alpha": judgement.pair.alpha,
            "tolerance": judgement.pair.tolerance,
            "items": judgement.loss.n,
            "clusters": judgement.loss.clusters,
            "settled_by": _number(judgement.settled_by),
            "lost": [flip.item for flip in judgement.lost],
            "won": [flip.item for flip in judgement.won],
        }
        for judgement in judgements
    ]


def listed(flips: Sequence[Flip]) -> Iterator[str]:
    """A line a flip, and how many more there are."""
    for flip in flips[:SHOWN]:
        yield f"{flip.item} ({flip.before:g} → {flip.after:g})"
    if len(flips) > SHOWN:
        yield f"and {len(flips) - SHOWN} more"


def _number(value: float) -> float | None:
    return value if isfinite(value) else None


def _escaped(text: object) -> str:
    """Text from outside as plain text in a markdown table."""
    shown = visible(text).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
    return shown.replace("|", "\\|").replace("`", "\\`").replace("[", "\\[").replace("*", "\\*")
