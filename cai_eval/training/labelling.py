"""Comparisons of a policy's own answers: two samples to each prompt, and a label by whoever judges them.

The samples are drawn at temperature 1 (Bai et al. 2022b, §4.1), in a dialogue whatever the policy's format. Pairs and
labels are made in shards, one after the other, so that one model is in use at a time and a kill costs a shard.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean, median

from cai_eval.contracts import JSON, DatasetSpec, Policy, PolicySpec, Sampling, Workshop
from cai_eval.dialogue import STOPS, exchange
from cai_eval.errors import UserError
from cai_eval.feedback import MASS, unlettered

from .prompts import Prompt, is_one_turn
from .sealed import writing
from .shards import make_dataset

LABELS = "labels.json"  #: beside the rows, what became of the pairs
SHARD = 64  #: pairs that a kill can lose
COLLAPSED = 0.5  #: share of pairs with two equal answers above which a sampler counts as collapsed

SAME = "both answers are the same"
APART = "the answers have no common beginning"
NO_TURN = "an answer is empty or holds another turn"
TOO_LONG = "too long for the sampler"
UNLABELLED = "too long for the labeller"


@dataclass(frozen=True)
class Pair:
    """Two answers to a human's turn. kind: of the prompt. dropped: why there is nothing to label, or ""."""

    id: str
    prompt: str
    kind: str
    first: str = ""
    second: str = ""
    dropped: str = ""

    @property
    def context(self) -> str:
        """The dialogue that awaits the answer."""
        return exchange(self.prompt, "dialogue")


def draw_pairs(
    workshop: Workshop, sampler: PolicySpec, prompts: Sequence[Prompt], times: int, max_tokens: int
) -> list[Pair]:
    """`times` pairs for each prompt. Where both answers are the same, they are drawn once more."""
    asked = [Pair(f"{prompt.id}/pair {n}", prompt.text, prompt.kind) for prompt in prompts for n in range(times)]

    def draw(places: range) -> list[dict[str, JSON]]:
        pairs = [asked[place] for place in places]
        return [asdict(pair) for pair in _draw(workshop.policy(sampler), pairs, max_tokens, workshop.seed)]

    drawn = make_dataset(
        workshop.directory / "pairs",
        "pairs",
        len(asked),
        SHARD,
        draw,
        lambda done, total: workshop.progress(done, 2 * total, "pairs"),
    )
    return [Pair(**row) for row in workshop.rows(drawn)]


def label_pairs(
    workshop: Workshop, pairs: Sequence[Pair], label: Callable[[Sequence[Pair]], Sequence[dict[str, JSON]]]
) -> DatasetSpec:
    """The data set of what `label` makes of the pairs that can be labelled.

    label: pairs → their rows; one that it leaves out was too long for it. Raises as `report`.
    """
    kept = [pair for pair in pairs if not pair.dropped]
    made = make_dataset(
        workshop.directory,
        "comparisons",
        len(kept),
        SHARD,
        lambda places: label([kept[place] for place in places]),
        lambda done, total: workshop.progress(total + done, 2 * total, "labels"),
    )
    dropped = Counter(pair.dropped for pair in pairs if pair.dropped)
    return report(workshop, made, len(pairs), {**dropped, UNLABELLED: len(kept) - made.rows})


def report(workshop: Workshop, made: DatasetSpec, pairs: int, dropped: Mapping[str, int]) -> DatasetSpec:
    """Say what became of so many pairs, and keep it in `labels.json`. Raises UserError where no row was made.

    dropped: why → how many. The rows are counted by who labelled them: people, a model or an oracle. Warns where the
    sampler has collapsed, and where a model labelled by letters that it does not expect.
    """
    dropped, rows = +Counter(dropped), list(workshop.rows(made))
    letters = [row[MASS.name] for row in rows if MASS.name in row]
    collapsed = dropped[SAME] > COLLAPSED * pairs
    summary = {
        "pairs": pairs,
        "rows": made.rows,
        "by": Counter(str(row["by"]) for row in rows),
        "dropped": dropped,
        "collapsed": collapsed,
        **({MASS.name: {"mean": fmean(letters), "median": median(letters)}} if letters else {}),
    }
    with writing(LABELS, workshop.directory):
        (workshop.directory / LABELS).write_text(json.dumps(summary) + "\n", encoding="utf-8")
    said = "; ".join(f"{count:,} of {pairs:,} pairs dropped: {why}" for why, count in sorted(dropped.items()))
    if not made.rows:
        raise UserError(
            f"no pair of answers has a label ({said or 'there was none'}): choose another sampler or prompts."
        )
    problems = ["the sampler has collapsed to one answer a prompt"] if collapsed else []
    problems += [told] if letters and (told := unlettered(letters, "the feedback model")) else []
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    workshop.progress(1, 1, "; ".join([*problems, said] if said else problems))
    return made


def _draw(policy: Policy, pairs: Sequence[Pair], max_tokens: int, seed: int) -> list[Pair]:
    room = policy.spec.context - len(policy.spec.prefix.ids) - max_tokens - 1  # its end is learnt
    sampling = Sampling(max_tokens, samples=2, temperature=1.0, stop=STOPS)
    fitting = [pair for pair in pairs if policy.count_tokens(pair.context) <= room]
    answers: dict[str, tuple[str, str]] = {}
    for stream in ("pair", "another pair"):
        missing = [pair for pair in fitting if len(set(answers.get(pair.id, ()))) < 2]
        keys = [f"{seed}/{stream}/{pair.id}" for pair in missing]
        drawn = policy.generate([pair.context for pair in missing], sampling, keys)
        for pair, (first, second) in zip(missing, drawn, strict=True):
            answers[pair.id] = first.text.strip(), second.text.strip()
    return [_drawn(pair, answers.get(pair.id)) for pair in pairs]


def _drawn(pair: Pair, answers: tuple[str, str] | None) -> Pair:
    if answers is None:
        return replace(pair, dropped=TOO_LONG)
    flaw = NO_TURN if not all(map(is_one_turn, answers)) else SAME if answers[0] == answers[1] else ""
    return replace(pair, first=answers[0], second=answers[1], dropped=flaw)
