"""Losses against closed forms and finite differences; objectives against the plain computation on whole logits."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    DogeConfig,
    DogeForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
)

from cai_eval.errors import UserError
from cai_eval.training import heads
from cai_eval.training.objectives import causal_lm, context_distillation, full_kl, token_loss, top_k_kl

V = 12


def llama(tied: bool = True) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=V,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        tie_word_embeddings=tied,
    )
    return build(LlamaForCausalLM, config)


def build(kind: type, config: object) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return kind(config).double().eval()


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def top(logprobs: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Indices, log-probabilities and tail of the k likeliest, from whole distributions."""
    values, indices = logprobs.topk(k)
    rest = logprobs.scatter(-1, indices, -torch.inf)
    return indices, values, rest.logsumexp(-1)


# ---------------------------------------------------------------------------------------------------
# Losses
# ---------------------------------------------------------------------------------------------------


def test_gradients_have_their_closed_forms() -> None:
    logits, teacher = draw(5, V).requires_grad_(), draw(5, V, seed=1).log_softmax(-1)
    ids = torch.tensor([0, 3, 3, 11, 5])
    student = logits.detach().softmax(-1)
    (gradient,) = torch.autograd.grad(full_kl(logits, teacher), logits)
    torch.testing.assert_close(gradient, student - teacher.exp())
    (gradient,) = torch.autograd.grad(token_loss(logits, ids), logits)
    torch.testing.assert_close(gradient, student - torch.nn.functional.one_hot(ids, V))


@pytest.mark.parametrize("k", [1, 4, V - 1, V])
def test_gradients_agree_with_finite_differences(k: int) -> None:
    logits, teacher = draw(3, V).requires_grad_(), draw(3, V, seed=1).log_softmax(-1)
    indices, values, tail = top(teacher, k)
    assert torch.autograd.gradcheck(lambda x: full_kl(x, teacher), (logits,))
    assert torch.autograd.gradcheck(lambda x: top_k_kl(x, indices, values, tail), (logits,))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 8.0))
def test_pooling_the_tail_loses_information_and_only_that(seed: int, scale: float) -> None:
    logits, teacher = draw(4, V, seed=seed) * scale, (draw(4, V, seed=seed + 1) * scale).log_softmax(-1)
    full = full_kl(logits, teacher).item()
    pooled = [top_k_kl(logits, *top(teacher, k)).item() for k in range(1, V + 1)]
    assert all(a <= b + 1e-9 for a, b in zip([0.0, *pooled], [*pooled, full], strict=True))
    assert pooled[-2] == pytest.approx(full, abs=1e-9)
    assert pooled[-1] == pytest.approx(full, abs=1e-9)


def test_a_teacher_without_tail_asks_for_no_mass_there() -> None:
    logits = draw(1, V).requires_grad_()
    values = torch.tensor([[0.75, 0.25]], dtype=torch.float64).log()
    loss = top_k_kl(logits, torch.tensor([[2, 7]]), values, torch.tensor([-math.inf], dtype=torch.float64))
    (gradient,) = torch.autograd.grad(loss, logits)
    wanted = logits.detach().softmax(-1)
    wanted[0, 2] -= 0.75
    wanted[0, 7] -= 0.25
    torch.testing.assert_close(gradient, wanted)


# ---------------------------------------------------------------------------------------------------
# Objectives
# ---------------------------------------------------------------------------------------------------

IDS = torch.randint(0, V, (3, 9), generator=torch.Generator().manual_seed(4))
TARGETS = torch.rand(3, 9, generator=torch.Generator().manual_seed(5)) < 0.5


def gradients(model: torch.nn.Module, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))


@pytest.mark.parametrize("slice_tokens", [1, 4, 100])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_slices_give_the_loss_and_the_gradients_of_whole_logits(
    slice_tokens: int, tied: bool, masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "SLICE", slice_tokens)
    model = llama(tied)
    targets = TARGETS[:, 1:] if masked else torch.ones(3, 8, dtype=torch.bool)
    whole = cross_entropy(model(input_ids=IDS).logits[:, :-1][targets], IDS[:, 1:][targets], reduction="sum")
    loss, count = causal_lm(model, {"input_ids": IDS, **({"targets": TARGETS} if masked else {})})
    assert count == targets.sum()
    torch.testing.assert_close(loss, whole)
    torch.testing.assert_close(gradients(model, loss), gradients(model, whole))


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (BloomForCausalLM, BloomConfig(vocab_size=V, hidden_size=16, n_layer=1, n_head=2)),
        (
            DogeForCausalLM,
            DogeConfig(
                vocab_size=V,
                hidden_size=16,
                intermediate_size=24,
                num_hidden_layers=1,
                num_attention_heads=2,
                is_moe=True,
                num_experts=16,
                num_experts_per_tok=4,
            ),
        ),
        (GPT2LMHeadModel, GPT2Config(vocab_size=V, n_embd=16, n_layer=1, n_head=2, n_positions=32)),
        (
            GPTNeoXForCausalLM,
            GPTNeoXConfig(
                vocab_size=V, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2
            ),
        ),
        (
            OPTForCausalLM,
            OPTConfig(
                vocab_size=V,
                hidden_size=16,
                ffn_dim=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=32,
                word_embed_proj_dim=8,
            ),
        ),
    ],
)
def test_other_architectures_agree_too(kind: type, config: object) -> None:
    model = build(kind, config)
    targets = TARGETS[:, 1:]
    whole = cross_entropy(model(input_ids=IDS).logits[:, :-1][targets], IDS[:, 1:][targets], reduction="sum")
    with torch.no_grad():
        read, _ = causal_lm(model, {"input_ids": IDS, "targets": TARGETS})
    torch.testing.assert_close(read, whole)
    loss, _ = causal_lm(model, {"input_ids": IDS, "targets": TARGETS})
    torch.testing.assert_close(gradients(model, loss), gradients(model, whole))


def test_the_last_feed_forward_layers_see_what_predicts_targets_alone() -> None:
    model = llama()
    seen: list[int] = []
    for layer in model.model.layers:
        layer.mlp.gate_proj.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[:-1].numel()))
    causal_lm(model, {"input_ids": IDS, "targets": TARGETS})
    assert seen == [IDS.numel(), TARGETS[:, 1:].sum()]


def test_a_model_that_caps_its_logits_is_refused() -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    config = Gemma2Config(
        vocab_size=V,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
    )
    config.final_logit_softcapping = 0.01
    with pytest.raises(UserError, match="behind its head"):
        causal_lm(build(Gemma2ForCausalLM, config), {"input_ids": IDS})


def test_a_model_that_has_diverged_says_so_by_its_loss() -> None:
    model = llama()
    with torch.no_grad():
        model.model.norm.weight[0] = torch.nan
    assert causal_lm(model, {"input_ids": IDS})[0].isnan()


def test_bfloat16_moves_the_gradients_a_little() -> None:
    model = llama().float()
    batch = {"input_ids": IDS, "targets": TARGETS}
    wanted = gradients(model, causal_lm(model, batch)[0])
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = causal_lm(model, batch)
    assert loss.dtype == torch.float32
    for name, gradient in gradients(model, loss).items():
        assert torch.cosine_similarity(gradient.flatten(), wanted[name].flatten(), dim=0) > 0.99, name


def test_padding_and_masked_tokens_change_nothing() -> None:
    model = llama()
    alone, count = causal_lm(model, {"input_ids": IDS[:1, :5], "targets": TARGETS[:1, :5]})
    wanted = gradients(model, alone)
    for poison in (0, 3, V - 1):
        padded = torch.cat([IDS[:1, :5], torch.full((1, 4), poison)], dim=1)
        mask = torch.cat([TARGETS[:1, :5], torch.zeros(1, 4, dtype=torch.bool)], dim=1)
        loss, same = causal_lm(model, {"input_ids": padded, "targets": mask})
        assert same == count
        torch.testing.assert_close(gradients(model, loss), wanted)


def test_the_sum_over_rows_is_the_sum_of_the_rows() -> None:
    model = llama()
    together, _ = causal_lm(model, {"input_ids": IDS, "targets": TARGETS})
    parts = [causal_lm(model, {"input_ids": IDS[i : i + 1], "targets": TARGETS[i : i + 1]})[0] for i in range(3)]
    torch.testing.assert_close(together, sum(parts))


def distillation_batch(model: torch.nn.Module, shift: int = 0) -> dict[str, torch.Tensor]:
    """The model's own targets for `TARGETS`, or those of tokens `shift` further on."""
    with torch.no_grad():
        logprobs = model(input_ids=IDS).logits.log_softmax(-1)
    indices, values, tail = top(logprobs[:, :-1].roll(-shift, 1)[TARGETS[:, 1:]], 4)
    return {
        "input_ids": IDS,
        "targets": TARGETS,
        "teacher_indices": indices,
        "teacher_logprobs": values,
        "teacher_tail": tail,
    }


def test_a_student_that_is_its_teacher_has_no_loss_and_a_shifted_target_has() -> None:
    model = llama()
    loss, count = context_distillation(model, distillation_batch(model))
    assert count == TARGETS[:, 1:].sum()
    assert loss.item() == pytest.approx(0, abs=1e-9)
    assert max(g.abs().max().item() for g in gradients(model, loss).values()) < 1e-9
    assert context_distillation(model, distillation_batch(model, shift=1))[0].item() > 1e-3


class Largest(TorchDispatchMode):
    """Notes the elements of the largest tensor that is made."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.elements = max(self.elements, made.numel())
        return made


def test_no_tensor_holds_the_logits_of_all_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary, tokens, limit = 3000, 200, 20 * 3000
    monkeypatch.setattr(heads, "SLICE", 20)
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = LlamaConfig(vocab_size=vocabulary, **shape)
    batch = {"input_ids": torch.randint(0, vocabulary, (1, tokens + 1))}
    model = build(LlamaForCausalLM, config)
    with Largest() as largest:
        causal_lm(model, batch)[0].backward()
    assert largest.elements == limit < tokens * vocabulary


def test_no_target_gives_no_loss() -> None:
    loss, count = causal_lm(llama(), {"input_ids": IDS, "targets": torch.zeros_like(TARGETS)})
    assert (loss.item(), count) == (0.0, 0)
    loss.backward()
