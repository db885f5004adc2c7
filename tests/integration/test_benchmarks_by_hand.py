"""The benchmarks on a real model and real items, against a few lines of transformers written for this test."""

import numpy as np
import pytest
import torch

from cai_eval.benchmarks.hhh import HHH
from cai_eval.benchmarks.truthfulqa import TruthfulQA
from cai_eval.contracts import PolicySpec, Prefix
from cai_eval.data import PublishedSource
from cai_eval.inference.logprobs import Engine
from cai_eval.inference.policy import LanguageModelPolicy
from cai_eval.models.loading import load_model, load_tokenizer
from cai_eval.prefixes import make_prefix

ADVICE = "Human: Who are you?\n\nAssistant: A small model that tells stories.\n\n-----"


@pytest.fixture(scope="module")
def stories(data_dir):
    torch.set_num_threads(1)
    directory = str(data_dir / "stories260K_hf")
    return load_model(directory, device="cpu"), load_tokenizer(directory)


def policy(stories, form: str, prefix: Prefix) -> LanguageModelPolicy:
    model, tokenizer = stories
    return LanguageModelPolicy(PolicySpec("m", "0", 1, 512, form, prefix), Engine(model), tokenizer, None, 0)


@torch.no_grad()
def log_probability(stories, before: str, text: str) -> np.ndarray:
    """Nats of each token of `before + text` that `before` alone does not have."""
    model, tokenizer = stories
    ids = tokenizer(before + text)["input_ids"]
    logits = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return logits[range(len(ids) - 1), ids[1:]].numpy()[len(tokenizer(before)["input_ids"]) - 1 :]


@pytest.mark.parametrize("prompted", [False, True])
def test_hhh_in_a_dialogue(stories, data_dir, prompted):
    lead = ADVICE + "\n\n" if prompted else ""
    prefix = make_prefix(stories[1], ADVICE, "") if prompted else Prefix()
    benchmark = HHH(HHH.Config())
    items = [
        i for i in benchmark.items(PublishedSource(data_dir)) if len(str(i.data)) < 400 and "\n" not in str(i.data)
    ]
    items = sorted(items, key=lambda item: item.id)[:6]
    for record in benchmark.evaluate(policy(stories, "dialogue", prefix), items):
        (item,) = (item for item in items if item.id == record.item)
        nats = {
            (end, asked): log_probability(stories, lead + context, f" {item.data[end]}")
            for end in ("good", "bad")
            for asked, context in ((True, f"Human: {item.data['query']}\n\nAssistant:"), (False, "Assistant:"))
        }
        information = {end: nats[end, True].sum() - nats[end, False].sum() for end in ("good", "bad")}
        assert record.scores["margin"] == pytest.approx(information["good"] - information["bad"], abs=1e-3)
        assert record.scores["accuracy_mi"] == (information["good"] > information["bad"])
        assert record.scores["accuracy_sum"] == (nats["good", True].sum() > nats["bad", True].sum())
        assert record.scores["accuracy_mean"] == (nats["good", True].mean() > nats["bad", True].mean())


@pytest.mark.parametrize(("form", "template"), [("plain", "{}"), ("dialogue", "Human: {}\n\nAssistant:")])
def test_truthfulqa(stories, data_dir, form, template):
    benchmark = TruthfulQA(TruthfulQA.Config())
    items = benchmark.items(PublishedSource(data_dir))[:10]
    for item, record in zip(items, benchmark.evaluate(policy(stories, form, Prefix()), items), strict=True):
        context = template.format(item.data["question"])
        mc1, mc2 = item.data["mc1"], item.data["mc2"]
        nats = {option: log_probability(stories, context, f" {option}") for option in mc2}
        right = list(mc1.values()).index(1)
        assert record.scores["mc1"] == (np.argmax([nats[option].sum() for option in mc1]) == right)
        assert record.scores["mc1_mean"] == (np.argmax([nats[option].mean() for option in mc1]) == right)
        mass = np.exp([nats[option].sum() for option in mc2])
        assert record.scores["mc2"] == pytest.approx(
            mass[np.array(list(mc2.values())) == 1].sum() / mass.sum(), abs=1e-4
        )
