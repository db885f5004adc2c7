"""Policies over a plain engine: one forward pass a sequence, which is also the reference for the real one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cai_eval.contracts import ContextTooLong, Policy, PolicySpec, Prefix, Request, Sampling
from cai_eval.inference.logprobs import Target, TokenScores
from cai_eval.inference.policy import DryPolicy, LanguageModelPolicy
from cai_eval.inference.store import ResponseStore

TEXT = "Once upon a time there was a kind dog. He liked to help."
REQUESTS = [Request("The dog was", " happy"), Request("", "One day"), Request("The dog was ", "sad and big")]


class NaiveEngine:
    """The definition of a log-probability, and a count of the sequences asked for."""

    notice = ""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.asked = 0

    @torch.no_grad()
    def logprobs(self, prefix: Sequence[int], sequences: Sequence[Target]) -> list[TokenScores]:
        assert sequences, "a prefix alone is not worth computing"
        self.asked += len(sequences)
        scores = []
        for target in sequences:
            ids = torch.tensor([[*prefix, *target.ids]])
            start = len(prefix) + target.start
            logits = self.model(ids).logits[0, start - 1 : -1].log_softmax(-1)
            wanted = ids[0, start:]
            values = logits.gather(1, wanted[:, None])[:, 0]
            scores.append(TokenScores(tuple(values.tolist()), bool((logits.argmax(-1) == wanted).all())))
        return scores


@dataclass(frozen=True)
class World:
    """A model with its tokenizer; what a policy is made of."""

    model: Any
    tokenizer: Any

    def spec(self, text: str = "", fingerprint: str = "one") -> PolicySpec:
        prefix = Prefix(tuple(self.tokenizer(text)["input_ids"]), text) if text else Prefix()
        return PolicySpec("stories", fingerprint, 1, 512, prefix=prefix)

    def policy(self, spec: PolicySpec, store: ResponseStore | None = None, seed: int = 0) -> LanguageModelPolicy:
        return LanguageModelPolicy(spec, NaiveEngine(self.model), self.tokenizer, store, seed)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def world(data_dir: Path) -> World:
    torch.set_num_threads(1)
    folder = data_dir / "stories260K_hf"
    return World(AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder))


@pytest.fixture
def store(tmp_path: Path) -> ResponseStore:
    return ResponseStore(tmp_path / "answers.sqlite")


def asked(policy: LanguageModelPolicy, requests: Sequence[Request] = REQUESTS) -> int:
    """How many sequences reach the engine."""
    policy.score(requests)
    return policy._engine.asked  # type: ignore[attr-defined, no-any-return]


def test_policies_are_policies(world: World) -> None:
    assert isinstance(world.policy(world.spec()), Policy)
    assert isinstance(DryPolicy(world.spec(), world.tokenizer), Policy)


@pytest.mark.parametrize("text", ["", TEXT])
def test_scores_are_those_of_the_joint_text(world: World, text: str) -> None:
    scores = world.policy(world.spec(text)).score(REQUESTS)
    for request, scored in zip(REQUESTS, scores, strict=True):
        whole = (text + "\n\n" if text else "") + request.context + request.continuation
        ids = torch.tensor([world.tokenizer(whole)["input_ids"]])
        logprobs = world.model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
        expected = logprobs[-len(scored.logprobs) :].tolist()
        assert scored.logprobs == pytest.approx(expected, abs=1e-5)
        assert world.tokenizer.decode(ids[0, -len(scored.logprobs) :]).strip() == request.continuation.strip()


def test_an_answer_is_computed_once(world: World, store: ResponseStore) -> None:
    first = world.policy(world.spec(), store)
    assert asked(first, REQUESTS + REQUESTS) == 3
    again = world.policy(world.spec(), store)
    assert asked(again) == 0
    assert again.score(REQUESTS) == first.score(REQUESTS)
    assert asked(again, [*REQUESTS, Request("A", " new one")]) == 1


def test_two_models_two_prefixes_two_templates_never_share_an_answer(world: World, store: ResponseStore) -> None:
    """lm-eval's response cache has no model in its key (issue 4063): model B was given model A's scores."""
    asked(world.policy(world.spec(), store))
    assert asked(world.policy(world.spec(fingerprint="two"), store)) == 3
    assert asked(world.policy(world.spec(TEXT), store)) == 3
    assert asked(world.policy(world.spec(TEXT + " He was good."), store)) == 3
    template = [replace(request, context="Story: " + request.context) for request in REQUESTS]
    assert asked(world.policy(world.spec(), store), template) == 3
    half = World(AutoModelForCausalLM.from_config(world.model.config, dtype=torch.bfloat16), world.tokenizer)
    assert asked(half.policy(world.spec(), store)) == 3


def test_where_the_continuation_starts_is_part_of_the_key(world: World, store: ResponseStore) -> None:
    policy = world.policy(world.spec(), store)
    long, short = policy.score([Request("The dog", " was happy"), Request("The dog was", " happy")])
    assert len(long.logprobs) > len(short.logprobs)


def test_nan_is_stored_as_nan(world: World, store: ResponseStore) -> None:
    broken = World(AutoModelForCausalLM.from_config(world.model.config).eval(), world.tokenizer)
    torch.nn.init.constant_(broken.model.get_input_embeddings().weight, math.nan)
    for _ in range(2):
        (scored,) = broken.policy(world.spec(), store).score(REQUESTS[:1])
        assert math.isnan(scored.total)


def test_too_long_a_request_is_refused_before_anything_is_computed(world: World) -> None:
    policy = world.policy(world.spec(TEXT))
    with pytest.raises(ContextTooLong, match="512"):
        policy.score([Request("The dog was", " happy"), Request("dog " * 600, "dog")])
    with pytest.raises(ContextTooLong, match="512"):
        policy.generate(["The dog"], Sampling(max_tokens=500), ["a"])
    assert policy._engine.asked == 0  # type: ignore[attr-defined]


def test_a_dry_policy_counts_what_the_live_one_would_refuse(world: World) -> None:
    spec = world.spec(TEXT)
    dry = DryPolicy(spec, world.tokenizer)
    assert dry.score(REQUESTS)[0].logprobs == (0.0,)
    assert dry.requests == 3
    behind = len(world.tokenizer(TEXT + "\n\n" + "The dog was sad and big")["input_ids"]) - len(spec.prefix.ids)
    assert dry.longest == behind
    fits = replace(spec, context=len(spec.prefix.ids) + dry.longest)
    world.policy(fits).score(REQUESTS)
    with pytest.raises(ContextTooLong):
        world.policy(replace(fits, context=fits.context - 1)).score(REQUESTS)


def test_a_dry_policy_counts_samples_and_forgets(world: World) -> None:
    dry = DryPolicy(world.spec(), world.tokenizer)
    samples = dry.generate(["The dog"], Sampling(max_tokens=10, samples=3), ["a"])
    assert [len(each) for each in samples] == [3]
    prompt = len(world.tokenizer("The dog")["input_ids"])
    assert (dry.longest, dry.total, dry.requests) == (prompt + 10, 3 * (prompt + 10), 3)
    assert dry.count_tokens("The dog") == prompt
    dry.reset()
    assert (dry.longest, dry.total, dry.requests) == (0, 0, 0)
