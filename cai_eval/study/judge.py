"""Models as judges of answers that a run holds: which they are, and what a preference model scores.

Its scores go into the records beside the texts. How a policy judges says `cai_eval.study.ai_judge`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, overload

from cai_eval.contracts import Artefact, ContextTooLong, PolicySpec, Record, Scorer, ScorerSpec
from cai_eval.dialogue import Turn, awaiting_reply
from cai_eval.errors import UserError, unknown
from cai_eval.study.store import RunDirectory

SCORES = "scores"  #: of a sample in a record's details: judge → score
BASE = "base"  #: the untouched model of a rung, as in the inputs of a suite
WHAT = {"scorer": "preference model", "policy": "policy"}


def scorer_of(directory: RunDirectory, scorer: str, rung: str | None) -> tuple[str, ScorerSpec]:
    """What a judge is called, and the model: a folder, or an intervention of the run (at a rung, or the largest).

    Raises UserError where the run has made no such scorer.
    """
    if Path(scorer).is_dir():
        from cai_eval.models.fingerprint import fingerprint
        from cai_eval.models.loading import context_length, load_config
        from cai_eval.models.parameters import non_embedding

        config = load_config(scorer)
        spec = ScorerSpec(scorer, fingerprint(scorer), non_embedding(config), context_length(config))
        return Path(scorer).resolve().name, spec
    return trained(directory, "scorer", scorer, rung)


def policy_of(directory: RunDirectory, policy: str, rung: str | None) -> tuple[str, PolicySpec]:
    """What a judge is called, and the model: a folder or a hub id, an intervention of the run, or `BASE`.

    Raises UserError where the run has made no such policy, or there is no such model.
    """
    from cai_eval.study.session import untouched

    if Path(policy).is_dir() or "/" in policy:
        return Path(policy).resolve().name, untouched(policy)
    if policy == BASE:
        rungs = directory.manifest()["rungs"]
        chosen = _at(rungs, "label", rung)
        return f"{BASE}, {chosen['label']}", untouched(chosen["model"])
    return trained(directory, "policy", policy, rung)


@overload
def trained(
    directory: RunDirectory, kind: Literal["scorer"], name: str, rung: str | None
) -> tuple[str, ScorerSpec]: ...


@overload
def trained(
    directory: RunDirectory, kind: Literal["policy"], name: str, rung: str | None
) -> tuple[str, PolicySpec]: ...


def trained(
    directory: RunDirectory, kind: Literal["scorer", "policy"], name: str, rung: str | None
) -> tuple[str, Artefact]:
    """What an intervention of the run has made at a rung, or at the largest, and what to call it. Raises UserError."""
    made = [entry for entry in directory.manifest().get("trained", []) if entry["kind"] == kind]
    if not made:
        raise UserError(f"the run has trained no {WHAT[kind]}: give a folder with one.")
    named = [entry for entry in made if entry["intervention"] == name and entry["seed"] == 0]
    if not named:
        raise unknown(f"{WHAT[kind]} of the run", name, {entry["intervention"] for entry in made})
    chosen = _at(named, "rung", rung)
    artefact = directory.artefact(chosen["hash"])
    if artefact is None:
        raise UserError(f"{name} at {chosen['rung']} is not trained yet: run the same `cai-eval run` again.")
    return f"{name}, {chosen['rung']}", artefact


def _at(entries: Sequence[Mapping[str, Any]], key: str, rung: str | None) -> Mapping[str, Any]:
    """The entry of a rung, or of the largest."""
    if rung is None:
        return max(entries, key=lambda entry: int(entry["parameters"]))
    for entry in entries:
        if entry[key] == rung:
            return entry
    raise unknown("rung", rung, [entry[key] for entry in entries])


def judge(directory: RunDirectory, benchmark: str, name: str, scorer: Scorer, progress: Callable[[str], None]) -> int:
    """Score every sample in the finished cells of a benchmark; the number of cells with samples.

    Raises UserError for a score that is not a number, and for answers that do not fit in the scorer's context.
    """
    hashes = dict.fromkeys(e["hash"] for e in directory.manifest()["cells"] if e["benchmark"] == benchmark)
    judged = 0
    for place, key in enumerate(hashes, 1):
        cell = directory.cell(key)
        if not cell.finished():
            continue
        progress(f"judging {place} of {len(hashes)}")
        records = cell.records()
        if not any("samples" in record.details for record in records):
            continue
        cell.publish(_scored(records, name, scorer), cell.summary() or {})
        judged += 1
    return judged


def _scored(records: list[Record], name: str, scorer: Scorer) -> list[Record]:
    held = [(n, sample) for n, record in enumerate(records) for sample in record.details.get("samples", ())]
    prompts = [awaiting_reply([Turn("Human", records[n].prompt)]) for n, _ in held]
    try:
        scores = scorer.score_texts(prompts, [sample["text"] for _, sample in held])
    except ContextTooLong as error:
        raise UserError(f"{name} cannot score all answers ({error}): take one that reads more.") from error
    if not all(map(math.isfinite, scores)):
        raise UserError(f"{name} gives scores that are no numbers: mend the preference model.")
    samples: dict[int, list[dict[str, object]]] = {}
    for (n, sample), score in zip(held, scores, strict=True):
        samples.setdefault(n, []).append({**sample, SCORES: {**sample.get(SCORES, {}), name: score}})
    return [
        replace(record, details={**record.details, "samples": samples[n]}) if n in samples else record
        for n, record in enumerate(records)
    ]
