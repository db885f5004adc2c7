"""A preference model as a judge of answers that a run holds: its scores go into the records beside the texts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cai_eval.contracts import Record, Scorer, ScorerSpec
from cai_eval.dialogue import Turn, awaiting_reply
from cai_eval.errors import UserError, unknown
from cai_eval.study.store import RunDirectory

SCORES = "scores"  #: of a sample in a record's details: judge → score


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
    made = [entry for entry in directory.manifest().get("trained", []) if entry["kind"] == "scorer"]
    if not made:
        raise UserError("the run has trained no preference model: give --scorer a folder with one.")
    named = [entry for entry in made if entry["intervention"] == scorer and entry["seed"] == 0]
    if not named:
        raise unknown("preference model of the run", scorer, {entry["intervention"] for entry in made})
    largest = max(named, key=lambda entry: entry["parameters"])
    chosen = next((entry for entry in named if entry["rung"] == rung), None) if rung else largest
    if chosen is None:
        raise unknown("rung", rung or "", [entry["rung"] for entry in named])
    artefact = directory.artefact(chosen["hash"])
    if not isinstance(artefact, ScorerSpec):
        raise UserError(f"{scorer} at {chosen['rung']} is not trained yet: run the same `cai-eval run` again.")
    return f"{scorer}, {chosen['rung']}", artefact


def judge(directory: RunDirectory, benchmark: str, name: str, scorer: Scorer, progress: Callable[[str], None]) -> int:
    """Score every sample in the finished cells of a benchmark; the number of cells with samples.

    Raises UserError for a score that is not a number.
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
    scores = scorer.score_texts(prompts, [sample["text"] for _, sample in held])
    if not all(map(math.isfinite, scores)):
        raise UserError(f"{name} gives scores that are no numbers: mend the preference model.")
    samples: dict[int, list[dict[str, object]]] = {}
    for (n, sample), score in zip(held, scores, strict=True):
        samples.setdefault(n, []).append({**sample, SCORES: {**sample.get(SCORES, {}), name: score}})
    return [
        replace(record, details={**record.details, "samples": samples[n]}) if n in samples else record
        for n, record in enumerate(records)
    ]
