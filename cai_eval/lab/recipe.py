"""How the ladder is trained: the shapes of its rungs, the order of their tokens, the optimiser. Data, no training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from cai_eval.config import load_yaml
from cai_eval.errors import UserError, unknown
from cai_eval.lab.tokenizer import CONTEXT, ENTRIES

if TYPE_CHECKING:
    from cai_eval.training.optimisation import Optimisation

RECIPE = Path(__file__).with_name("recipe.yaml")
FORBID: dict[str, str] = {"extra": "forbid"}


@dataclass(frozen=True)
class Stage:
    """A part of the training. share: of its tokens. window: tokens a sequence. rows: sequences a step."""

    share: float
    window: int
    rows: int

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or not 1 < self.window <= CONTEXT or self.rows < 1:
            raise ValueError(f"a stage needs a share in (0, 1], a window of 2 to {CONTEXT} tokens, and rows")


@dataclass(frozen=True)
class Span:
    """The tokens of one step: `rows` windows one behind the other, from `start` on, and one more to predict."""

    start: int
    rows: int
    window: int

    @property
    def stop(self) -> int:
        """Behind the last token that is read."""
        return self.start + self.rows * self.window + 1


@dataclass(frozen=True)
class Shape:
    """A rung. rate: its peak learning rate. seeds: how many initialisations are built."""

    hidden: int
    layers: int
    heads: int
    inner: int
    rate: float
    seeds: int = 1

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID

    def __post_init__(self) -> None:
        if self.heads < 1 or self.hidden % (2 * self.heads):
            raise ValueError("rotary attention needs an even number of dimensions a head")

    def config(self) -> dict[str, Any]:
        """The content of config.json: a Qwen3, whose normalised queries and keys learn to copy soonest."""
        return {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "vocab_size": ENTRIES,
            "hidden_size": self.hidden,
            "intermediate_size": self.inner,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.heads,
            "head_dim": self.hidden // self.heads,
            "max_position_embeddings": CONTEXT,
            "rms_norm_eps": 1e-6,
            "tie_word_embeddings": True,
            "initializer_range": 0.05,
            "bos_token_id": 0,
            "eos_token_id": 0,
        }


@dataclass(frozen=True)
class Settings:
    """What `Optimisation` is made of, the same for every rung. warmup: a share of the steps."""

    optimizer: Literal["adamw", "muon"]
    warmup: float
    decay: Literal["constant", "linear", "cosine"]
    final: float
    betas: tuple[float, float]
    weight_decay: float
    clip: float
    precision: Literal["fp32", "bf16"]

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID


@dataclass(frozen=True)
class Recipe:
    """Everything but the corpus that decides what the rungs become."""

    version: int
    tokens: int
    stages: tuple[Stage, ...]
    optimisation: Settings
    rungs: Mapping[str, Shape]

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID

    def __post_init__(self) -> None:
        if abs(sum(stage.share for stage in self.stages) - 1) > 1e-9:
            raise ValueError("the shares of the stages must sum to 1")
        if not self.rungs or min(self._lengths) < 1:
            raise ValueError("a recipe needs rungs, and tokens for a step of every stage")

    @property
    def _lengths(self) -> list[int]:
        """Steps of each stage."""
        return [round(self.tokens * stage.share / (stage.rows * stage.window)) for stage in self.stages]

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """What each step reads: every token of the stream once, in order."""
        spans, start = [], 0
        for steps, stage in zip(self._lengths, self.stages, strict=True):
            for _ in range(steps):
                spans.append(Span(start, stage.rows, stage.window))
                start += stage.rows * stage.window
        return tuple(spans)

    def shape(self, rung: str) -> Shape:
        """The rung of that name. Raises UserError."""
        if rung not in self.rungs:
            raise unknown("rung", rung, self.rungs)
        return self.rungs[rung]

    def optimiser(self, rung: str) -> Optimisation:
        """What the training loop needs to know."""
        from cai_eval.training.optimisation import Optimisation

        settings = asdict(self.optimisation)
        steps = len(self.spans)
        return Optimisation(steps, self.shape(rung).rate, **settings | {"warmup": round(settings["warmup"] * steps)})

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that stand for all of it."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]


def load_recipe(path: Path = RECIPE, tokens: int | None = None) -> Recipe:
    """The recipe in a YAML file, cut to so many tokens. Raises UserError that names the line."""
    recipe = load_yaml(path, Recipe)
    if tokens is None:
        return recipe
    from dataclasses import replace

    try:
        return replace(recipe, tokens=tokens)
    except ValueError as error:
        raise UserError(f"{tokens} tokens are too few: {error}.") from None


def name_of(rung: str, seed: int) -> str:
    """How a model is called: "98k", "98k-seed1"."""
    return f"{rung}-seed{seed}" if seed else rung
