"""Does a rung that is built anew become the one that ships?"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cai_eval.caches import cache_directory
from cai_eval.lab.shipped import WEIGHTS, describe, shipped, weight_file

if TYPE_CHECKING:
    from cai_eval.training.loop import Progress


@dataclass(frozen=True)
class Rebuilt:
    """A rung built anew beside the shipped one.

    same_recipe: the recipe, and every token that was read, are those of the shipped one. difference: the largest
    between two weights, as they ship. losses: held out, nats a token, of the shipped rung and of the new one. spread:
    between the losses of that rung's shipped initialisations.
    """

    name: str
    same_recipe: bool
    difference: float
    losses: tuple[float, float]
    spread: float

    @property
    def holds(self) -> bool:
        """Equal bits, or, as another processor may leave it, a loss no further off than another seed's."""
        off = abs(self.losses[0] - self.losses[1])
        return self.same_recipe and (self.difference == 0 or off <= self.spread)


def rebuild(progress: Callable[[Progress], None]) -> Rebuilt:
    """Build the smallest shipped rung anew, in the cache, and compare. The same call goes on where one was killed."""
    import torch
    from safetensors.torch import load_file

    from cai_eval.lab.build import Job, build
    from cai_eval.lab.recipe import load_recipe

    rungs = list(shipped().values())
    label = rungs[0].label
    _, facts = describe(weight_file(label))
    out = cache_directory() / "lab" / "verify"
    model = build(Job(load_recipe(), facts.rung, facts.seed), out, progress=progress)
    _, new = describe(model / WEIGHTS)
    ours, theirs = load_file(model / WEIGHTS), load_file(weight_file(label))
    difference = max((ours[name].to(torch.float16) - theirs[name]).abs().max().item() for name in theirs)
    losses = [rung.origin.loss for rung in rungs if rung.origin and rung.parameters == rungs[0].parameters]
    shutil.rmtree(out)
    return Rebuilt(
        label,
        (new.recipe, new.corpus) == (facts.recipe, facts.corpus),
        difference,
        (facts.loss, new.loss),
        max(losses) - min(losses),
    )
