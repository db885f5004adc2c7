"""From what a user asked for to a plan that can run: suite, ladder, models, data."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cai_eval.contracts import PolicySpec, Source
from cai_eval.errors import UserError
from cai_eval.study.graph import digest
from cai_eval.study.plan import Base, Plan, make_plan
from cai_eval.study.suite import load_suite
from cai_eval.study.workshop import Models


@dataclass(frozen=True)
class Order:
    """What the user asked for; None: the suite's own.

    models override the ladder. data: folder of upstream files. limit: items a benchmark. full: all items, where a
    suite asks a laboratory's models fewer. scale: of the suite's own. rungs: of the ladder, by label.
    """

    suite: str
    scale: str | None = None
    ladder: str | None = None
    rungs: tuple[str, ...] | None = None
    models: tuple[str, ...] = ()
    interventions: tuple[str, ...] | None = None
    benchmarks: tuple[str, ...] | None = None
    data: Path | None = None
    limit: int | None = None
    full: bool = False
    seed: int = 0
    device: str | None = None
    dtype: str | None = None


@dataclass(frozen=True)
class Session:
    """A plan with what it needs to run. laboratory: how pages call the models' world, "" for published data."""

    plan: Plan
    source: Source
    ladder: str
    laboratory: str
    device: str
    dtype: str


def prepare(
    order: Order, models: Models, *, dry: bool = False, progress: Callable[[str], None] = lambda note: None
) -> Session:
    """Resolve an order. Raises UserError for what cannot be had.

    dry: take hub models by their configuration alone, without weights; their cells then have provisional hashes.
    """
    from cai_eval import lab
    from cai_eval.data import PublishedSource
    from cai_eval.models import ladder as ladders
    from cai_eval.models.loading import choose_device, choose_dtype

    if order.models and order.ladder:
        raise UserError("--models takes the place of a ladder: give one of the two.")
    wanted = ladders.from_models(order.models) if order.models else None
    if order.ladder:
        wanted = ladders.load_ladder(order.ladder)
    suite = load_suite(order.suite, order.scale, published=wanted is not None and wanted.source == "published")
    suite = suite.extended(order.interventions or (), order.benchmarks or ())
    ladder = wanted or ladders.load_ladder(suite.ladder)
    laboratory = lab.find(ladder.source) if ladder.source != "published" else None
    if laboratory and order.data:
        raise UserError(
            f"ladder {ladder.name!r} answers items of its own world, not those in --data: choose other models with "
            "--models or --ladder, or leave --data out."
        )
    source: Source = laboratory.source() if laboratory else PublishedSource(order.data)
    own = suite.rungs if ladder.name == suite.ladder else ()
    rungs = ladders.chosen(ladder, order.rungs or own)
    paths = [laboratory.model(rung.model, progress) if laboratory else rung.model for rung in rungs]
    bases = []
    for path, rung in zip(paths, rungs, strict=True):
        progress(f"looking at {rung.label}")
        policy = untouched(path, weights=not dry or Path(path).exists())
        bases.append(Base(rung.label, policy, rung.size, rung.replicate))
    device = choose_device(order.device)
    dtype = str(choose_dtype(order.dtype, device)).removeprefix("torch.")
    plan = make_plan(
        suite,
        sorted(bases, key=lambda base: base.policy.parameters),
        source,
        models.tokenizer,
        interventions=order.interventions,
        benchmarks=order.benchmarks,
        limit=order.limit,
        limits=suite.quick if laboratory and not order.full else {},
        seed=order.seed,
        settings={"dtype": dtype},
        progress=progress,
    )
    return Session(plan, source, ladder.name, laboratory.title if laboratory else "", str(device), dtype)


def open_models(order: Order) -> Models:
    """Where the models of an order come to life, with the answers that earlier runs have kept."""
    from cai_eval.caches import cache_directory
    from cai_eval.inference.store import ResponseStore

    return Models(order.device, order.dtype, ResponseStore(cache_directory() / "answers.sqlite"), order.seed)


def default_out(order: Order, session: Session) -> Path:
    """runs/<suite>-<ladder>, with a hash where the order is more than these: the same order, the same place."""
    models = "-".join(base.label for base in session.plan.bases) if order.models else session.ladder
    name = re.sub(r"[^\w.-]+", "-", f"{session.plan.suite.name}-{models}")[:80].strip(".-")
    asked: Sequence[Any] = (
        *(order.models, order.interventions, order.benchmarks, order.limit, order.full, order.seed, order.dtype),
        *(name if Path(name or "").suffix else None for name in (order.suite, order.ladder)),
        *(given for given in (order.scale, order.rungs) if given),
    )
    return Path("runs") / (f"{name}-{digest(asked)[:6]}" if any(asked) else name)


def untouched(model: str, weights: bool = True) -> PolicySpec:
    """The policy of a model as it is. weights: False where their fingerprint must not be asked for."""
    from cai_eval.models.fingerprint import fingerprint
    from cai_eval.models.loading import context_length, load_config
    from cai_eval.models.parameters import non_embedding

    config = load_config(model)
    mark = fingerprint(model) if weights else ""
    return PolicySpec(model, mark, non_embedding(config), context_length(config))
