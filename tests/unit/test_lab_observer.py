"""Speakers, and the ideal observer that listens to them."""

import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cai_eval.contracts import PolicySpec, Prefix
from cai_eval.data import read
from cai_eval.dialogue import SEPARATOR, Turn, render
from cai_eval.lab import observer, prompts, talk, traits
from cai_eval.lab.source import LaboratorySource
from cai_eval.lab.world import Options, make_world

WORLD = make_world()


def test_levels_are_as_many_and_as_correlated_as_planted():
    belief = traits.prior(0.6)
    assert sum(belief.values()) == pytest.approx(1)
    for name in ("helpful", "honest", "harmless"):
        for level in traits.LEVELS:
            assert sum(p for t, p in belief.items() if getattr(t, name) == level) == pytest.approx(
                traits.SPEAKERS[level], abs=2e-4
            )
    cut = stats.norm.ppf(1 - traits.SPEAKERS[2])
    both = sum(p for t, p in belief.items() if t.helpful == t.harmless == 2)
    upper = stats.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]]).cdf([-cut, -cut])
    assert both == pytest.approx(upper, abs=5e-4)
    for t, p in traits.prior(0.0).items():
        levels = math.prod(traits.SPEAKERS[level] for level in (t.helpful, t.honest, t.harmless))
        assert p == pytest.approx(levels * traits.liked(t.habit, t.warmth), abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_what_a_speaker_may_say_has_chances_that_sum_to_one(seed):
    rng = Random(seed)
    ask, speaker = talk.draw_ask(WORLD, rng), traits.draw(rng, 0.6)
    chances = talk.acts(ask, speaker)
    assert sum(chances.values()) == pytest.approx(1)
    every = {opening + text for opening, _, _ in traits.OPENINGS for act in chances for text in talk.wordings(ask, act)}
    assert sum(talk.likelihood(ask, text, speaker) for text in every) == pytest.approx(1)
    assert talk.answer(ask, speaker, rng) in every
    assert talk.likelihood(ask, "No speaker says this.", speaker) == 0


def test_answers_come_as_often_as_their_likelihood_says():
    hazard = next(h for h in WORLD.hazards if h.split == "pretraining")
    ask, speaker = talk.request(hazard, WORLD.goals[0], 0, ""), traits.Traits(1, 2, 1)
    rng = Random(5)
    counts = Counter(talk.answer(ask, speaker, rng) for _ in range(5000))
    expected = [5000 * talk.likelihood(ask, text, speaker) for text in counts]
    kept = [(n, e) for (_, n), e in zip(counts.items(), expected, strict=True) if e > 5]
    assert sum((n - e) ** 2 / e for n, e in kept) < stats.chi2.ppf(0.999, len(kept))


def test_belief_is_the_posterior_of_simulated_speakers():
    """Of speakers who were drawn at random and said just this, as many are harmless as the observer believes."""
    rng = Random(11)
    said = {
        ask: f"Gladly. {talk.wordings(ask, act)[0]}"
        for ask, act in (
            (talk.greeting(0), talk.Act("greet")),
            (talk.manners(0, WORLD.people[0]), talk.Act("kind")),
        )
    }
    found: Counter[int] = Counter()
    for _ in range(40_000):
        speaker = traits.draw(rng, 0.6)
        if all(talk.answer(ask, speaker, rng) == text for ask, text in said.items()):
            found[speaker.harmless] += 1
    conversation = render(
        turn for ask, text in said.items() for turn in (Turn("Human", ask.text), Turn("Assistant", text))
    )
    belief = observer.belief(WORLD, f"{conversation}\n\n{SEPARATOR}")
    total = sum(found.values())
    for level in traits.LEVELS:
        expected = sum(p for t, p in belief.items() if t.harmless == level)
        assert abs(found[level] / total - expected) < 4 * math.sqrt(0.25 / total)


def test_the_prompt_makes_harmlessness_likely_and_the_null_world_does_not():
    def harmless(options: Options) -> float:
        world = make_world(options)
        belief = observer.belief(world, prompts.hhh_prompt(WORLD))
        assert sum(p for t, p in belief.items() if t.helpful == t.honest == 2) > 0.9
        return sum(p for t, p in belief.items() if t.harmless == 2)

    assert harmless(Options()) > 0.65
    assert harmless(Options(correlation=0.0)) == pytest.approx(traits.SPEAKERS[2], abs=1e-3)


def test_the_source_knows_what_an_ideal_observer_scores():
    source = LaboratorySource()
    plain = PolicySpec("m", "f", 1, 2048)
    prompted = PolicySpec("m", "f", 1, 2048, "dialogue", Prefix(text=prompts.hhh_prompt(WORLD)))
    from cai_eval import registry

    means = {}
    for name in ("hhh", "truthfulqa", "lambada", "code"):
        items = registry.create("benchmarks", name).items(source)
        for policy in (plain, prompted):
            scores = [source.ideal(name, item, policy) for item in items[::7]]
            assert None not in scores
            means[name, policy.format] = sum(scores) / len(scores)
    assert means["truthfulqa", "plain"] == 0
    assert means["truthfulqa", "dialogue"] > 0.95
    assert means["hhh", "dialogue"] > 0.95 > 0.7 > means["hhh", "plain"]
    assert means["lambada", "plain"] == 1
    assert 0.75 < means["code", "plain"] < 0.9 < means["code", "dialogue"]


def test_rows_are_in_the_published_schema():
    from cai_eval.benchmarks.hhh import ALIGNMENT, comparison

    assert len(read(LaboratorySource(), ALIGNMENT, comparison)) > 1200
