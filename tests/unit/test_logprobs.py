"""The scoring engine against each model's own forward pass in float64."""

import copy
import math

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from cai_eval.contracts import ContextTooLong
from cai_eval.errors import UserError
from cai_eval.inference.logprobs import Engine, Target

VOCABULARY = 61
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 640,
    "pad_token_id": 0,
}
GPT2_SIZES = {"vocab_size": VOCABULARY, "n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 640}

SHARED = {
    "llama": ("LlamaConfig", {**SIZES, "num_key_value_heads": 2}),
    "gpt2": ("GPT2Config", GPT2_SIZES),
    "gpt_neox": ("GPTNeoXConfig", SIZES),
    "opt": ("OPTConfig", {**SIZES, "ffn_dim": 32, "word_embed_proj_dim": 8}),
    "qwen2": ("Qwen2Config", {**SIZES, "num_key_value_heads": 1}),
    "qwen3": ("Qwen3Config", {**SIZES, "num_key_value_heads": 2, "head_dim": 6}),
    "mistral without a window": ("MistralConfig", {**SIZES, "num_key_value_heads": 2, "sliding_window": None}),
    "granite": ("GraniteConfig", {**SIZES, "num_key_value_heads": 2, "logits_scaling": 3.0}),
}
ALONE = {
    "mistral": ("MistralConfig", {**SIZES, "num_key_value_heads": 2, "sliding_window": 20}, "sliding_window"),
    "gemma2": ("Gemma2Config", {**SIZES, "num_key_value_heads": 2, "head_dim": 4, "sliding_window": 20}, "sliding"),
    "bloom": ("BloomConfig", {"vocab_size": VOCABULARY, "hidden_size": 16, "n_layer": 2, "n_head": 4}, "replaced"),
    "gptj": ("GPTJConfig", {**GPT2_SIZES, "rotary_dim": 4}, "replaced"),
    "gpt_neo": (
        "GPTNeoConfig",
        {
            **{k: SIZES[k] for k in ("vocab_size", "hidden_size", "max_position_embeddings")},
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 20,
        },
        "replaced",
    ),
    "dynamic rope": (
        "LlamaConfig",
        {**SIZES, "rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}},
        "length of the text",
    ),
}


def build(config: str, options: dict, seed: int = 0):
    """A random model with weights wide enough that every part of it matters."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = transformers.AutoModelForCausalLM.from_config(getattr(transformers, config)(**options)).eval()
        for weight in model.parameters():
            if weight.dim() > 1:
                torch.nn.init.normal_(weight, std=0.2)
    return model


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def llama():
    return build(*SHARED["llama"])


def draw(seed: int, length: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng(seed).integers(1, VOCABULARY, length).tolist())


PREFIX = draw(1, 90)
#: Options behind two questions, of which the first is long enough for a segment, and a long text of its own.
TARGETS = [
    *(Target(draw(2, 80) + draw(10 + i, 3 + 8 * i), 80 + i % 2) for i in range(4)),
    *(Target(draw(3, 20) + draw(20 + i, 1 + i % 3), 20) for i in range(6)),
    Target(draw(4, 150), 0),
    Target(draw(5, 40), 40),
    Target(draw(6, 40), 17),
]


def expected(model, prefix, targets):
    """Log-probabilities and greedy flags by one plain float64 pass a sequence."""
    exact = copy.deepcopy(model).double()
    result = []
    for target in targets:
        ids = torch.tensor([*prefix, *target.ids])
        first = len(prefix) + target.start
        with torch.no_grad():
            logits = exact(ids[None]).logits[0].log_softmax(-1)[first - 1 : -1]
        result.append(
            (logits.gather(1, ids[first:, None])[:, 0].numpy(), bool((logits.argmax(-1) == ids[first:]).all()))
        )
    return result


def agree(scores, wanted, tolerance=2e-5):
    assert len(scores) == len(wanted)
    for score, (logprobs, greedy) in zip(scores, wanted, strict=True):
        np.testing.assert_allclose(score.logprobs, logprobs, rtol=0, atol=tolerance)
        assert score.greedy == greedy


@pytest.mark.parametrize("name", SHARED)
def test_shared_prefixes_are_exact(name):
    model = build(*SHARED[name])
    engine = Engine(model, row_tokens=64)
    assert engine.notice == ""
    for prefix in (PREFIX, PREFIX[:5]):
        agree(engine.logprobs(prefix, TARGETS), expected(model, prefix, TARGETS))
    alone = [Target(t.ids, max(t.start, 1)) for t in TARGETS]
    agree(engine.logprobs((), alone), expected(model, (), alone))


@pytest.mark.parametrize("seed", range(6))
def test_any_trie_is_exact(llama, seed):
    """In float64, where nothing hides behind rounding: stems of stems, rows of any length, a prefix or none."""
    generator = np.random.default_rng(seed)
    stems = [draw(100 * seed + i, int(generator.integers(1, 90))) for i in range(4)]
    texts = [sum((stems[i] for i in generator.integers(0, 4, generator.integers(1, 5))), ()) for _ in range(12)]
    targets = [Target(text, int(generator.integers(1, len(text) + 1))) for text in texts]
    exact = copy.deepcopy(llama).double()
    engine = Engine(exact, row_tokens=int(generator.choice([8, 64, 256])), max_batch_tokens=200)
    assert engine.notice == ""
    prefix = PREFIX[: int(generator.choice([0, 1, 65, 90]))]
    agree(engine.logprobs(prefix, targets), expected(exact, prefix, targets), 1e-10)


@pytest.mark.parametrize("name", ALONE)
def test_other_attention_falls_back_with_a_notice(name):
    config, options, reason = ALONE[name]
    model = build(config, options)
    engine = Engine(model)
    assert reason in engine.notice
    agree(engine.logprobs(PREFIX, TARGETS), expected(model, PREFIX, TARGETS))


def test_attention_sinks_are_refused():
    options = {**SIZES, "num_key_value_heads": 2, "head_dim": 4, "layer_types": ["full_attention"] * 2}
    model = build("GptOssConfig", {**options, "num_local_experts": 2, "num_experts_per_tok": 1})
    assert Engine(model).notice == "gpt_oss computes a shared prefix anew for each request: its attention uses s_aux."


def test_an_attention_that_differs_silently_is_found_out(llama):
    """A stranger's model whose head sees the position in the row: nothing but a trial run can tell."""

    class Odd(transformers.LlamaForCausalLM):
        def forward(self, input_ids, **kwargs):
            output = super().forward(input_ids, **kwargs)
            output.logits = output.logits * (1 + 0.1 * input_ids.shape[1])
            return output

    odd = Odd(llama.config).eval()
    odd.load_state_dict(llama.state_dict())
    engine = Engine(odd)
    assert "differed by" in engine.notice


def test_each_token_is_sent_once(llama):
    engine = Engine(llama)
    options = [Target((*draw(7, 30), 1 + i, *draw(30 + i, 9)), 30) for i in range(20)]
    first = engine.logprobs(PREFIX, options)
    # Prefix, its last token with each row, question and options without their last tokens.
    assert engine.usage.unique == 90 + 30 + 200
    assert engine.usage.sent == 89 + 1 + 30 + 180
    assert engine.usage.cache_bytes == 89 * 2 * 2 * 2 * 4 * 4
    sent = engine.usage.sent
    assert engine.logprobs(PREFIX, options) == first
    assert engine.usage.sent - sent == 1 + 30 + 180


def test_the_kept_prefixes_are_few(llama):
    engine = Engine(llama)
    for seed in range(20):
        engine.logprobs(draw(seed, 100), TARGETS[:1])
    assert engine.usage.cache_bytes <= 9 * 200 * 2 * 2 * 2 * 4 * 4
    agree(engine.logprobs(PREFIX, TARGETS), expected(llama, PREFIX, TARGETS))


def test_batch_size_company_and_order_change_nothing(llama):
    together = Engine(llama).logprobs(PREFIX, TARGETS)
    small = Engine(llama, row_tokens=32, max_batch_tokens=40)
    backwards = small.logprobs(PREFIX, TARGETS[::-1])[::-1]
    singly = [small.logprobs(PREFIX, [t])[0] for t in TARGETS]
    for scores in (backwards, singly):
        agree(scores, [(np.array(s.logprobs), s.greedy) for s in together], 1e-5)


def test_pads_and_strangers_do_not_leak(llama):
    """A token whose embedding is NaN changes the sequences that hold it, and no other."""
    poisoned = copy.deepcopy(llama)
    poisoned.model.embed_tokens.weight.data[0] = torch.nan
    agree(Engine(poisoned, row_tokens=64).logprobs(PREFIX, TARGETS), expected(llama, PREFIX, TARGETS))


@pytest.mark.parametrize("name", ["llama", "gemma2"])
def test_nan_is_never_greedy(name):
    config, options, *_ = (SHARED | ALONE)[name]
    model = build(config, options)
    model.get_output_embeddings().weight.data.fill_(torch.nan)
    for score in Engine(model).logprobs(PREFIX, [t for t in TARGETS if t.start < len(t.ids)]):
        assert all(map(math.isnan, score.logprobs))
        assert not score.greedy


def test_the_first_of_equal_logits_is_greedy(llama):
    flat = copy.deepcopy(llama)
    flat.lm_head.weight.data.zero_()
    zero, one = Engine(flat).logprobs((3,), [Target((0,), 0), Target((1,), 0)])
    assert (zero.greedy, one.greedy) == (True, False)
    assert zero.logprobs == pytest.approx((-math.log(VOCABULARY),))


def test_out_of_memory_halves_the_batch(llama, monkeypatch):
    engine = Engine(llama)
    forward = llama.forward
    sizes = []

    def limited(input_ids, **kwargs):
        sizes.append(input_ids.numel())
        if input_ids.shape[0] > 2:
            raise torch.OutOfMemoryError("no memory")
        return forward(input_ids=input_ids, **kwargs)

    monkeypatch.setattr(llama, "forward", limited)
    targets = [Target(draw(i, 120), 100) for i in range(20)]
    agree(engine.logprobs(PREFIX, targets), expected_of(llama, forward, targets))
    failures = sum(size > sizes[-1] * 2 for size in sizes)
    sizes.clear()
    engine.logprobs(PREFIX, targets)
    assert failures > 0
    assert max(sizes) <= 2 * 256


def expected_of(model, forward, targets):
    model = copy.copy(model)
    model.__dict__["forward"] = forward
    return expected(model, PREFIX, targets)


def test_another_error_is_not_taken_for_a_lack_of_memory(llama, monkeypatch):
    engine = Engine(llama)
    monkeypatch.setattr(llama, "forward", lambda **_: (_ for _ in ()).throw(RuntimeError("shape mismatch")))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        engine.logprobs((), [Target((1, 2, 3), 1)])


def test_the_context_is_a_limit_on_what_is_sent(llama):
    engine = Engine(llama)
    assert engine.context == 640
    (full,) = engine.logprobs(draw(1, 600), [Target(draw(2, 41), 0)])
    assert len(full.logprobs) == 41
    with pytest.raises(ContextTooLong, match=r"642 tokens, 600 of them the prefix.* 640"):
        engine.logprobs(draw(1, 600), [Target((1, 2), 1), Target(draw(2, 42), 0)])


def test_a_first_token_needs_something_before_it(llama):
    with pytest.raises(ValueError, match="start 0"):
        Engine(llama).logprobs((), [Target((1, 2), 0)])
    assert Engine(llama).logprobs((), []) == []


def test_a_model_without_a_head_is_refused(llama):
    with pytest.raises(UserError, match="causal language model"):
        Engine(llama.model)


def test_the_models_own_attention_is_put_back(llama):
    before = llama.config._attn_implementation
    engine = Engine(llama)
    engine.logprobs(PREFIX, TARGETS)
    assert llama.config._attn_implementation == before
    assert not llama.lm_head._forward_pre_hooks


@pytest.mark.parametrize("name", ["llama", "gpt2", "gpt_neox", "opt", "qwen2", "qwen3", "mistral"])
def test_bfloat16_is_no_worse_than_lm_evals(name):
    from lm_eval.models.huggingface import HFLM

    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel({"a": 0, "b": 1}, unk_token="a")), eos_token="a"
    )
    config, options, *_ = (SHARED | ALONE)[name]
    half = build(config, options).to(torch.bfloat16)
    targets = [Target(draw(50 + i, 60), 40) for i in range(24)]
    truth = np.array([sum(logprobs) for logprobs, _ in expected(half, PREFIX, targets)])
    ours = np.array([sum(s.logprobs) for s in Engine(half).logprobs(PREFIX, targets)])
    requests = [(("", ""), [*PREFIX, *t.ids[:40]], list(t.ids[40:])) for t in targets]
    lm = HFLM(pretrained=half, tokenizer=tokenizer, batch_size=8)
    theirs = np.array([total for total, _ in lm._loglikelihood_tokens(requests, disable_tqdm=True)])
    ours_rms, theirs_rms = (float(np.sqrt(np.mean((x - truth) ** 2))) for x in (ours, theirs))
    assert 0 < ours_rms <= theirs_rms
