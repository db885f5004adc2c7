"""Generation: equal to the models' own under greedy decoding, independent of the batch when sampling, cut at stops."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BloomConfig,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    PreTrainedConfig,
    Qwen2Config,
)

from cai_eval.contracts import PolicySpec, Prefix, Sample, Sampling
from cai_eval.inference import generation
from cai_eval.inference.decoding import MARGIN, SharedDecoder
from cai_eval.inference.generation import Prompt, SampleText, compact, generate
from cai_eval.inference.logprobs import Engine
from cai_eval.inference.policy import LanguageModelPolicy
from cai_eval.inference.store import ResponseStore

VOCABULARY = 97
COMMON = {"vocab_size": VOCABULARY, "bos_token_id": None, "eos_token_id": 0, "pad_token_id": None}
GROUPED = COMMON | {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
}
SERVED: dict[str, Callable[[], PreTrainedConfig]] = {
    "llama": lambda: LlamaConfig(**GROUPED),
    "gpt2": lambda: GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=256, initializer_range=0.3, **COMMON),
    "gpt-neox": lambda: GPTNeoXConfig(**GROUPED),
    "opt": lambda: OPTConfig(ffn_dim=48, word_embed_proj_dim=32, init_std=0.3, **GROUPED),
    "qwen2": lambda: Qwen2Config(**GROUPED),
}
FALLEN_BACK: dict[str, Callable[[], PreTrainedConfig]] = {
    "mistral": lambda: MistralConfig(sliding_window=24, **GROUPED),
    "gemma2": lambda: Gemma2Config(head_dim=8, sliding_window=24, **GROUPED),
    "bloom": lambda: BloomConfig(hidden_size=32, n_layer=2, n_head=4, initializer_range=0.3, **COMMON),
}


class Letters:
    """A tokenizer whose token i is one character; 0 ends the text."""

    all_special_ids = (0,)
    eos_token_id = 0

    def decode(self, ids: list[int], **_: Any) -> str:
        return "".join(chr(256 + i) for i in ids)


def engine_of(make: Callable[[], PreTrainedConfig]) -> Engine:
    torch.set_num_threads(1)
    torch.manual_seed(5)
    return Engine(AutoModelForCausalLM.from_config(make()).float())


def some_prompts(lengths: tuple[int, ...]) -> list[Prompt]:
    draw = torch.Generator().manual_seed(7)
    return [
        Prompt(tuple(torch.randint(1, VOCABULARY, (n,), generator=draw).tolist()), str(i))
        for i, n in enumerate(lengths)
    ]


HEAD = some_prompts((70,))[0].ids
PROMPTS = some_prompts((1, 9, 4, 17, 4, 2, 30))


def the_models_own(engine: Engine, head: tuple[int, ...], prompt: Prompt, count: int) -> list[int]:
    ids = torch.tensor([head + prompt.ids])
    out = engine.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False, pad_token_id=0
    )
    tokens: list[int] = out[0, ids.shape[1] :].tolist()
    return tokens


@pytest.mark.parametrize("head", [HEAD, HEAD[:1], ()], ids=["behind 70", "behind 1", "alone"])
@pytest.mark.parametrize("name", [*SERVED, *FALLEN_BACK])
def test_greedy_tokens_are_the_models_own(name: str, head: tuple[int, ...]) -> None:
    engine = engine_of((SERVED | FALLEN_BACK)[name])
    assert bool(engine.notice) is (name in FALLEN_BACK)
    samples = generate(engine, Letters(), head, PROMPTS, Sampling(12, samples=2), seed=0)
    for prompt, pair in zip(PROMPTS, samples, strict=True):
        assert list(pair[0].tokens) == the_models_own(engine, head, prompt, 12)
        assert pair[0] == pair[1]
        assert pair[0].finish == ("end" if pair[0].tokens[-1] == 0 else "length")


@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_log_probabilities_are_the_models(name: str) -> None:
    engine = engine_of((SERVED | FALLEN_BACK)[name])
    samples = generate(engine, Letters(), HEAD, PROMPTS, Sampling(8, 2, temperature=1.5), seed=1)
    for prompt, pair in zip(PROMPTS, samples, strict=True):
        for sample in pair:
            ids = torch.tensor([HEAD + prompt.ids + sample.tokens])
            logprobs = engine.model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
            assert sample.logprobs == pytest.approx(logprobs[-len(sample.tokens) :].tolist(), abs=1e-4)


@pytest.mark.parametrize("name", ["llama", "gpt2", "mistral", "bloom"])
def test_samples_do_not_depend_on_batch_or_order(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of((SERVED | FALLEN_BACK)[name])
    sampling = Sampling(10, samples=3, temperature=0.9, top_p=0.95)
    together = generate(engine, Letters(), HEAD, PROMPTS, sampling, seed=3)
    sure = [[sample.near_ties == 0 for sample in samples] for samples in together]
    assert sum(map(sum, sure)) >= 0.9 * 3 * len(PROMPTS)
    backwards = generate(engine, Letters(), HEAD, PROMPTS[::-1], sampling, seed=3)[::-1]
    monkeypatch.setattr(generation, "ROWS", 4)
    in_fours = generate(engine, Letters(), HEAD, PROMPTS, sampling, seed=3)
    alone = [generate(engine, Letters(), HEAD, [prompt], sampling, seed=3)[0] for prompt in PROMPTS]
    for way in (backwards, in_fours, alone):
        for ours, theirs, certain in zip(together, way, sure, strict=True):
            assert all(a.tokens == b.tokens for a, b, c in zip(ours, theirs, certain, strict=True) if c)
    assert len({sample.tokens for samples in together for sample in samples}) > len(PROMPTS)
    other = generate(engine, Letters(), HEAD, PROMPTS, sampling, seed=4)
    assert [s.tokens for s in other[3]] != [s.tokens for s in together[3]]


def test_a_long_run_that_prompts_share_is_computed_once() -> None:
    engine = engine_of(SERVED["llama"])
    block = some_prompts((80,))[0].ids
    prompts = [Prompt(block + prompt.ids, prompt.key) for prompt in PROMPTS]
    samples = generate(engine, Letters(), HEAD[:20], prompts, Sampling(8), seed=0)
    for prompt, (sample,) in zip(prompts, samples, strict=True):
        assert list(sample.tokens) == the_models_own(engine, HEAD[:20], prompt, 8)


def test_many_samples_of_a_prompt_are_those_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(SERVED["llama"])
    prompts = some_prompts((90, 5))
    few = Sampling(6, samples=4, temperature=1.0)
    monkeypatch.setattr(generation, "ROWS", 8)
    expected = generate(engine, Letters(), HEAD[:20], prompts, few, seed=0)
    many = generate(engine, Letters(), HEAD[:20], prompts, replace(few, samples=12), seed=0)
    for samples, first in zip(many, expected, strict=True):
        assert len(samples) == 12
        assert [a.tokens for a in samples[:4]] == [b.tokens for b in first]


def test_nothing_asked_is_nothing_computed() -> None:
    engine = engine_of(SERVED["llama"])
    assert generate(engine, Letters(), HEAD, [], Sampling(5), seed=0) == []
    assert engine.usage.sent == 0


def test_rows_hold_their_own_tokens_only() -> None:
    engine = engine_of(SERVED["llama"])
    stack = engine.segments(HEAD)
    decoder = SharedDecoder(engine.model, stack, rows=3)
    decoder.admit([prompt.ids for prompt in PROMPTS[:3]])
    with torch.no_grad():
        decoder.step(torch.ones(3, dtype=torch.long))
    shapes = {held.shape for pair in decoder._cache._held.values() for held in pair}
    assert shapes == {(3, 2, 9 + MARGIN, 8)}  # rows, key-value heads, tokens without those of the stack, width


def test_rows_outgrow_the_memory_they_began_with() -> None:
    engine = engine_of(SERVED["llama"])
    samples = generate(engine, Letters(), HEAD, PROMPTS, Sampling(3 * MARGIN), seed=0)
    for prompt, (sample,) in zip(PROMPTS, samples, strict=True):
        assert list(sample.tokens) == the_models_own(engine, HEAD, prompt, 3 * MARGIN)
    assert max(len(sample.tokens) for (sample,) in samples) == 3 * MARGIN


def test_less_memory_makes_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(SERVED["llama"])
    expected = generate(engine, Letters(), HEAD, PROMPTS, Sampling(5), seed=0)
    forward, sizes = engine.model.forward, []

    def small(*args: Any, **kwargs: Any) -> Any:
        sizes.append(len(kwargs["input_ids"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("no more than two rows")
        return forward(*args, **kwargs)

    monkeypatch.setattr(engine.model, "forward", small)
    samples = generate(engine, Letters(), HEAD, PROMPTS, Sampling(5), seed=0)
    assert [one.tokens for (one,) in samples] == [one.tokens for (one,) in expected]
    assert max(sizes) > 2 >= sizes[-1]


@pytest.mark.parametrize(("going", "order"), [([0, 2, 3, 5], [0, 5, 2, 3]), ([], []), ([4], [4]), ([0, 1], [0, 1])])
def test_as_few_rows_as_possible_move(going: list[int], order: list[int]) -> None:
    assert compact(going) == order


class Stories:
    """The small real model: text, stop strings, bytes."""

    def __init__(self, folder: Path) -> None:
        torch.set_num_threads(1)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.engine = Engine(AutoModelForCausalLM.from_pretrained(folder))

    def policy(self, text: str = "", store: ResponseStore | None = None, seed: int = 0) -> LanguageModelPolicy:
        prefix = Prefix(tuple(self.tokenizer(text)["input_ids"]), text, separator=" ") if text else Prefix()
        return LanguageModelPolicy(
            PolicySpec("m", "f", 1, 512, prefix=prefix), self.engine, self.tokenizer, store, seed
        )


@pytest.fixture(scope="module")
def stories(data_dir: Path) -> Stories:
    return Stories(data_dir / "stories260K_hf")


OPENINGS = ["Once upon a time", "The dog", "Lily was", "One day, a bird"]


@pytest.mark.parametrize("stop", [(".",), (" the", "\n"), ("e was",), ("ird", "mom and d")])
def test_stop_strings_end_and_are_cut_off(stories: Stories, stop: tuple[str, ...]) -> None:
    policy = stories.policy("There was a park.")
    free = policy.generate(OPENINGS, Sampling(60, temperature=0.8), OPENINGS)
    cut = policy.generate(OPENINGS, Sampling(60, temperature=0.8, stop=stop), OPENINGS)
    for (whole,), (part,) in zip(free, cut, strict=True):
        places = [place for one in stop if (place := whole.text.find(one)) >= 0]
        assert part.text == (whole.text[: min(places)] if places else whole.text)
        assert part.finish == ("stop" if places else whole.finish)
        assert part.tokens == whole.tokens[: len(part.tokens)]
    assert any(part.finish == "stop" for (part,) in cut)


def test_text_keeps_the_blank_between_prompt_and_sample(stories: Stories) -> None:
    (sample,), (other,) = stories.policy().generate(
        ["Once upon a", "Once upon a time, there was a litt"], Sampling(3), "ab"
    )
    assert sample.text.startswith(" time")
    assert other.text[0].isalpha()


@pytest.mark.parametrize("stop", ["é", "\U0001f600", "x€y"])
def test_a_stop_string_of_several_byte_tokens_is_seen_when_it_is_complete(stories: Stories, stop: str) -> None:
    text = SampleText(stories.tokenizer, [stop])
    prompt = stories.tokenizer("The dog")["input_ids"]
    tokens = stories.tokenizer("The dog said " + stop + " and", add_special_tokens=False)["input_ids"]
    tokens = tokens[len(prompt) - 1 :]
    cuts = [text.cut(prompt, tokens[:length]) for length in range(1, len(tokens) + 1)]
    complete = next(n for n, cut in enumerate(cuts) if cut is not None)
    assert cuts[complete] == " said "
    assert all(cut is None for cut in cuts[:complete])
    assert stop in text.decode(prompt, tokens[: complete + 1])


def test_sampling_is_stored_under_all_that_can_change_it(stories: Stories, tmp_path: Path) -> None:
    store = ResponseStore(tmp_path / "answers.sqlite")
    sampling = Sampling(8, samples=2, temperature=1.0)

    def ask(seed: int = 0, key: str = "a", **changes: Any) -> tuple[list[Sample], int]:
        before = generation_calls[0]
        policy = stories.policy(store=store, seed=seed)
        (samples,) = policy.generate(["The dog"], replace(sampling, **changes), [key])
        return samples, generation_calls[0] - before

    generation_calls = [0]
    forward = stories.engine.model.forward

    def counting(*args: Any, **kwargs: Any) -> Any:
        generation_calls[0] += 1
        return forward(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stories.engine.model, "forward", counting)
        first, calls = ask()
        assert calls == 9
        assert ask() == (first, 0)
        changes: list[dict[str, Any]] = [
            {"seed": 1}, {"key": "b"}, {"samples": 3}, {"temperature": 0.5}, {"top_p": 0.5}, {"max_tokens": 7},
            {"stop": ("z",)},
        ]  # fmt: skip
        for change in changes:
            samples, calls = ask(**change)
            assert calls > 0
            if "samples" in change:
                assert [one.tokens for one in samples[:2]] == [one.tokens for one in first]
