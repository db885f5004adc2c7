"""Adapters: a start that computes the same, a training that moves nothing else, a result that is a plain model."""

import sys
from pathlib import Path

import pytest
import torch
from tiny import save_model
from transformers import AutoModelForCausalLM

from cai_eval.errors import UserError
from cai_eval.training.loop import train
from cai_eval.training.lora import LoRA, add_adapters, merge_adapters
from cai_eval.training.objectives import causal_lm
from cai_eval.training.optimisation import Optimisation

IDS = torch.randint(0, 400, (4, 12), generator=torch.Generator().manual_seed(0))


def test_adapters_alone_are_trained_and_then_merged(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    directory = save_model(tmp_path / "model")
    before = AutoModelForCausalLM.from_pretrained(directory)
    model = add_adapters(AutoModelForCausalLM.from_pretrained(directory), LoRA(rank=2, alpha=4), seed=0)
    torch.testing.assert_close(model(IDS).logits, before(IDS).logits)

    batch = {"input_ids": IDS}
    train(model, lambda step: [batch], causal_lm, Optimisation(6, 1e-2), tmp_path / "training", checkpoint_every=3)
    trained = model(IDS).logits.detach()
    state = torch.load(max((tmp_path / "training" / "checkpoints").iterdir()), weights_only=True)
    assert sum(w.numel() for w in state["weights"]) < sum(p.numel() for p in before.parameters()) / 4

    merged = merge_adapters(model)
    merged.save_pretrained(tmp_path / "merged")
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(plain(IDS).logits, trained, rtol=1e-4, atol=1e-5)
    changed = {
        name
        for (name, new), (_, old) in zip(plain.named_parameters(), before.named_parameters(), strict=True)
        if not torch.equal(new, old)
    }
    assert changed
    assert all("_proj" in name for name in changed)
    assert causal_lm(plain, batch)[0] < causal_lm(before, batch)[0]


def test_without_the_library_the_mend_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UserError, match=r"pip install 'cai-eval\[lora\]'"):
        add_adapters(AutoModelForCausalLM.from_pretrained(save_model(tmp_path)), LoRA(), seed=0)
