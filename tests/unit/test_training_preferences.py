"""Preference models: the loss and its gradient, where scores are read, and that noise of known size is recovered."""

import math
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import save_model
from torch import Tensor

from cai_eval.inference.scorer import scores_at
from cai_eval.judging import chance_of_first, choose
from cai_eval.models.loading import load_model, load_tokenizer
from cai_eval.training import data
from cai_eval.training.comparisons import Comparison
from cai_eval.training.loop import train
from cai_eval.training.objectives import causal_lm
from cai_eval.training.optimisation import Optimisation
from cai_eval.training.preferences import (
    PreferenceModel,
    agreement,
    bradley_terry,
    collate_pairs,
    differences,
    make_pairs,
    pair_batches,
    preference_objective,
)

PROMPT = "Human: Why does bread rise?\n\nAssistant:"
LONG = "Yeast makes gas, and the dough holds it. The ferry leaves at nine."
COMPARISONS = [
    Comparison("1", PROMPT, "Yeast makes gas.", "Rain fell.", 1.0),
    Comparison("2", "Human: Why?\n\nAssistant:", "A clock.", LONG, 0.3),
    Comparison("3", PROMPT, "Rain.", "", 0.5),
]
numbers = st.floats(-30, 30)
chances = st.floats(0, 1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tokenizer(place: str) -> Any:
    return load_tokenizer(place)


@pytest.fixture
def model(place: str) -> PreferenceModel:
    """With a random head, in float64."""
    model = PreferenceModel(load_model(place, device="cpu")).double().eval()
    torch.nn.init.normal_(model.score.weight, generator=torch.Generator().manual_seed(0))
    return model


def gradients(model: PreferenceModel, batches: list[Any], lm_weight: float = 0.0) -> tuple[float, list[Tensor]]:
    """The loss summed over the batches, and its gradients."""
    model.zero_grad()
    loss = torch.stack([preference_objective(lm_weight)(model, batch)[0] for batch in batches]).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.item(), [p.grad.clone() for p in model.parameters() if p.grad is not None]


# ---------------------------------------------------------------------------------------------------
# The loss
# ---------------------------------------------------------------------------------------------------


@given(numbers, numbers, chances)
def test_the_gradient_in_a_score_is_what_is_expected_less_what_is_labelled(a: float, b: float, q: float) -> None:
    r = torch.tensor([a, b], dtype=torch.float64, requires_grad=True)
    label = torch.tensor([q], dtype=torch.float64)

    def loss(first: float, second: float) -> float:
        return bradley_terry(torch.tensor([first - second], dtype=torch.float64), label).item()

    bradley_terry(r[:1] - r[1:], label).backward()  # type: ignore[no-untyped-call]
    assert r.grad is not None
    expected = 1 / (1 + math.exp(b - a)) - q
    assert r.grad.tolist() == pytest.approx([expected, -expected], abs=1e-12)
    step = 1e-5
    assert (loss(a + step, b) - loss(a - step, b)) / (2 * step) == pytest.approx(expected, abs=1e-6)


@given(numbers)
def test_a_certain_label_is_the_usual_loss(difference: float) -> None:
    delta = torch.tensor([difference], dtype=torch.float64)
    certain = bradley_terry(delta, torch.ones(1, dtype=torch.float64)).item()
    assert certain == pytest.approx(-torch.nn.functional.logsigmoid(delta).item(), abs=1e-12)


@given(numbers, chances)
def test_the_order_of_two_answers_does_not_matter(difference: float, q: float) -> None:
    delta, label = torch.tensor([difference]).double(), torch.tensor([q]).double()
    assert bradley_terry(delta, label).item() == pytest.approx(bradley_terry(-delta, 1 - label).item(), abs=1e-9)


@given(st.floats(0.01, 0.99))
def test_a_soft_label_is_no_margin(q: float) -> None:
    """Its loss is least where σ(Δ) is the label; with a margin, a larger Δ is always better."""
    best = torch.tensor([math.log(q / (1 - q))], dtype=torch.float64, requires_grad=True)
    bradley_terry(best, torch.tensor([q], dtype=torch.float64)).backward()  # type: ignore[no-untyped-call]
    assert best.grad is not None
    assert best.grad.item() == pytest.approx(0, abs=1e-12)


def test_agreement_shares_what_is_undecided() -> None:
    delta, label = torch.tensor([2.0, -2.0, 0.0, 2.0]), torch.tensor([0.6, 1.0, 1.0, 0.5])
    assert agreement(delta, label).tolist() == [1.0, 0.0, 0.5, 0.5]


def test_a_new_model_is_undecided(place: str, tokenizer: Any) -> None:
    model, same, other = (PreferenceModel(load_model(place, device="cpu"), seed) for seed in (0, 0, 1))
    assert model.score.weight.tolist() == same.score.weight.tolist() != other.score.weight.tolist()
    loss, count = preference_objective(0.0)(model, collate_pairs(make_pairs(tokenizer, COMPARISONS, 512)))
    assert loss.item() / count == pytest.approx(math.log(2), abs=0.01)


# ---------------------------------------------------------------------------------------------------
# What is read, and where
# ---------------------------------------------------------------------------------------------------


def test_an_answer_ends_in_one_end_of_text_and_is_read_there(tokenizer: Any, model: PreferenceModel) -> None:
    pairs = make_pairs(tokenizer, COMPARISONS, 512)
    for pair, comparison in zip(pairs, COMPARISONS, strict=True):
        for ids, answer in ((pair.first, comparison.first), (pair.second, comparison.second)):
            assert ids.count(tokenizer.eos_token_id) == 1
            assert ids[-1] == tokenizer.eos_token_id
            assert tokenizer.decode(ids[:-1]) == f"{comparison.prompt} {answer}".rstrip()
    batch = collate_pairs(pairs)
    hidden = model(batch["input_ids"])
    read = scores_at(hidden, batch["last"], model.score.weight[0])
    for row, ids in enumerate([*(p.first for p in pairs), *(p.second for p in pairs)]):
        alone = model(torch.tensor([ids]))[0, -1] @ model.score.weight[0]
        assert read[row].item() == pytest.approx(alone.item(), abs=1e-5)


def test_padding_changes_nothing(tokenizer: Any, model: PreferenceModel) -> None:
    batch = collate_pairs(make_pairs(tokenizer, COMPARISONS, 512))
    longer = {**batch, **{name: torch.nn.functional.pad(batch[name], (0, 7)) for name in ("input_ids", "share")}}
    poisoned = batch["input_ids"].clone()
    for row, last in zip(poisoned, batch["last"], strict=True):
        row[last + 1 :] = 399
    expected = gradients(model, [batch], lm_weight=0.5)
    for other in (longer, {**batch, "input_ids": poisoned}):
        loss, found = gradients(model, [other], lm_weight=0.5)
        assert loss == pytest.approx(expected[0], abs=1e-6)
        torch.testing.assert_close(found, expected[1], rtol=0, atol=1e-6)


def test_accumulation_changes_no_update(tokenizer: Any, model: PreferenceModel) -> None:
    pairs = make_pairs(tokenizer, COMPARISONS, 512)
    whole = gradients(model, [collate_pairs(pairs)], lm_weight=0.5)
    parts = gradients(model, [collate_pairs([pair]) for pair in pairs], lm_weight=0.5)
    assert parts[0] == pytest.approx(whole[0], abs=1e-6)
    torch.testing.assert_close(parts[1], whole[1], rtol=0, atol=1e-6)


def test_the_language_models_loss_is_that_of_the_better_answer(tokenizer: Any, model: PreferenceModel) -> None:
    pairs = make_pairs(tokenizer, COMPARISONS[:2], 512)
    both = [preference_objective(weight)(model, collate_pairs(pairs))[0].item() for weight in (0.0, 2.0)]
    expected = 0.0
    for pair, better in zip(pairs, (pairs[0].first, pairs[1].second), strict=True):
        ids = torch.tensor([better])
        targets = torch.arange(len(better))[None] >= pair.start
        loss, count = causal_lm(model.body, {"input_ids": ids, "targets": targets})
        expected += loss.item() / count
    assert both[1] - both[0] == pytest.approx(2 * expected, rel=1e-5)


def test_pairs_that_do_not_fit_are_left_out(tokenizer: Any) -> None:
    whole = make_pairs(tokenizer, COMPARISONS, 512)
    longest = max(len(pair) for pair in whole) // 2
    assert make_pairs(tokenizer, COMPARISONS, longest) == whole
    assert make_pairs(tokenizer, COMPARISONS, longest - 1) == [p for p in whole if len(p) < 2 * longest]


def test_batches_hold_every_pair_once_an_epoch(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MICRO_TOKENS", 100)
    comparisons = [Comparison(str(n), PROMPT, f"{n}.", "No.", n / 20) for n in range(20)]
    batches = pair_batches(make_pairs(tokenizer, comparisons, 512), 4, seed=1)
    labels = [round(20 * q.item()) for step in range(5) for batch in batches(step) for q in batch["label"]]
    assert sorted(labels) == list(range(20)) != labels
    assert all(batch["input_ids"].numel() <= 100 for step in range(5) for batch in batches(step))


# ---------------------------------------------------------------------------------------------------
# Noise of a known size
# ---------------------------------------------------------------------------------------------------

#: the true utility of each word that may be answered
UTILITIES = {
    "gas": -1.5,
    "dough": -1.1,
    "ferry": -0.6,
    "hills": -0.2,
    "river": 0.2,
    "clock": 0.6,
    "hall": 1.1,
    "rain": 1.5,
}
TEMPERATURE = 0.7


def labelled(count: int, seed: int) -> tuple[list[Comparison], np.ndarray]:
    """Pairs of words with a noisy judge's labels, and how far the first truly leads."""
    rng = Random(seed)
    comparisons, leads = [], []
    for number in range(count):
        words = rng.sample(list(UTILITIES), 2)
        utilities = [UTILITIES[word] for word in words]
        label = 1.0 - choose(utilities, TEMPERATURE, rng)
        comparisons.append(Comparison(str(number), "Human: Why?\n\nAssistant:", *words, label))
        leads.append(utilities[0] - utilities[1])
    return comparisons, np.array(leads)


def slope(x: np.ndarray, label: np.ndarray) -> tuple[float, float]:
    """Maximum likelihood of b in P(first) = σ(b x), and its standard error."""
    b = 0.0
    for _ in range(30):
        p = 1 / (1 + np.exp(-b * x))
        information = float((p * (1 - p) * x * x).sum())
        b += float(((label - p) * x).sum()) / information
    return b, information**-0.5


@pytest.mark.parametrize("seed", range(3))
def test_the_noise_is_recovered_from_true_utilities(seed: int) -> None:
    comparisons, leads = labelled(4000, seed)
    b, error = slope(leads, np.array([each.label for each in comparisons]))
    assert abs(b - 1 / TEMPERATURE) < 2.6 * error < 0.15


def test_labels_follow_the_chances_that_they_are_drawn_from() -> None:
    comparisons, leads = labelled(4000, 9)
    chances = np.array([chance_of_first(lead, 0.0, TEMPERATURE) for lead in leads])
    z = sum(each.label for each in comparisons) - chances.sum()
    assert abs(z) < 3 * math.sqrt((chances * (1 - chances)).sum())


def test_the_noise_is_recovered_by_a_preference_model(place: str, tokenizer: Any, tmp_path: Path) -> None:
    """Its scores lead by the true lead over the temperature: so much, and no more, on pairs that it has not seen."""
    comparisons, leads = labelled(3200, 0)
    pairs = make_pairs(tokenizer, comparisons, 512)
    model = PreferenceModel(load_model(place, device="cpu"))
    optimisation = Optimisation(200, 3e-3, warmup=10)
    train(model, pair_batches(pairs, 64, 0), preference_objective(0.0), optimisation, tmp_path, checkpoint_every=200)
    held, held_leads = labelled(600, 1)
    with torch.no_grad():
        batch = collate_pairs(make_pairs(tokenizer, held, 512))
        found = differences(model, model(batch["input_ids"]), batch["last"]).numpy()
    _, error = slope(leads, np.array([each.label for each in comparisons]))
    recovered = float((found * held_leads).sum() / (held_leads**2).sum())
    assert abs(recovered - 1 / TEMPERATURE) < 2.6 * error
    b, error = slope(found, np.array([each.label for each in held]))
    assert abs(b - 1) < 2.6 * error
