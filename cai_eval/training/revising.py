"""Critique and revision, a round at a time (Bai et al. 2022b, §3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from cai_eval.constitution import Constitution, Step, load_constitution
from cai_eval.constitution.prompting import critique_prompt, revision_prompt, with_examples
from cai_eval.contracts import Policy, Sampling
from cai_eval.dialogue import Turn, awaiting_reply
from cai_eval.errors import UserError
from cai_eval.training.prompts import is_one_turn


@dataclass(frozen=True)
class Draft:
    """What a human asked and what was answered first."""

    id: str
    prompt: str
    answer: str


@dataclass(frozen=True)
class Revision:
    """What a round has brought. steps: those of the rounds before that brought something, and its own, the last."""

    round: int
    steps: tuple[Step, ...]

    @property
    def text(self) -> str:
        return self.steps[-1].revision


def to_revise_by(name: str, principles: int, examples: int) -> Constitution:
    """A constitution with the first so many of its principles that answers are revised by (0: all of these).

    examples: shown before each critique and revision, at most. Raises UserError where there are too few principles.
    """
    constitution = with_examples(load_constitution(name), examples)
    there = constitution.revising
    if max(principles, 1) > len(there):
        raise UserError(
            f"{name} has {len(there)} principles to revise by and {max(principles, 1)} are wanted: lower 'principles' "
            "or choose another constitution."
        )
    return replace(constitution, principles=there[: principles or None])


def revise(
    critic: Policy,
    constitution: Constitution,
    drafts: Sequence[Draft],
    rounds: int,
    sampling: Sampling,
    seed: int,
    *,
    direct: bool = False,
) -> list[list[Revision]]:
    """The revisions of each draft, at most one a round; direct: without critiques.

    Each round draws one of the constitution's principles, apart from the others, and goes on from what the last one
    brought. A round whose critique or revision is empty, is no turn of a dialogue or does not fit in the critic's
    context brings nothing. What a draft becomes depends on its id and the seed, and on no other draft.
    """
    revised: list[list[Revision]] = [[] for _ in drafts]
    for number in range(1, rounds + 1):
        chains = [each[-1].steps if each else () for each in revised]
        steps = _round(critic, constitution, drafts, chains, f"{seed}/round {number}", sampling, direct)
        for each, chain, step in zip(revised, chains, steps, strict=True):
            if step:
                each.append(Revision(number, (*chain, step)))
    return revised


def say(policy: Policy, prompts: Sequence[str], sampling: Sampling, keys: Sequence[str]) -> list[str]:
    """One sample for each prompt, or "" where that does not fit in the context or is no turn of a dialogue."""
    room = policy.spec.context - len(policy.spec.prefix.ids) - sampling.max_tokens - 1  # its end is learnt
    fitting = [number for number, prompt in enumerate(prompts) if policy.count_tokens(prompt) <= room]
    drawn = policy.generate([prompts[i] for i in fitting], sampling, [keys[i] for i in fitting])
    said = {number: samples[0].text.strip() for number, samples in zip(fitting, drawn, strict=True)}
    return [text if is_one_turn(text := said.get(number, "")) else "" for number in range(len(prompts))]


def _round(
    critic: Policy,
    constitution: Constitution,
    drafts: Sequence[Draft],
    chains: Sequence[tuple[Step, ...]],
    stream: str,
    sampling: Sampling,
    direct: bool,
) -> list[Step | None]:
    keys = [f"{stream}/{draft.id}" for draft in drafts]
    principles = [Random(key).choice(constitution.revising) for key in keys]
    asked = [
        (constitution, awaiting_reply([Turn("Human", draft.prompt)]), draft.answer, chain, principle)
        for draft, chain, principle in zip(drafts, chains, principles, strict=True)
    ]
    critiques: Sequence[str | None] = [None] * len(drafts)
    if not direct:
        prompts = [critique_prompt(*each) for each in asked]
        critiques = say(critic, prompts, sampling, [f"{key}/critique" for key in keys])
    prompts = [revision_prompt(*each, critique) for each, critique in zip(asked, critiques, strict=True)]
    texts = say(critic, prompts, sampling, [f"{key}/revision" for key in keys])
    return [
        Step(principle, critique or "", text) if text and critique != "" else None
        for principle, critique, text in zip(principles, critiques, texts, strict=True)
    ]
