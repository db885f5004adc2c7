"""The parts of the builder: what a step reads, what it is scored by, where models are kept on the way."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cai_eval.lab import build, corpus
from cai_eval.lab.build import Job, batch, held_out_loss, initial, log_spaced, next_token, one_thread
from cai_eval.lab.recipe import Span, load_recipe
from cai_eval.lab.stream import Stream
from cai_eval.lab.world import Options

JOB = Job(load_recipe(), "24k")


class Count(Stream):
    """Token n is n."""

    def read(self, start, stop):
        return torch.arange(start, stop).numpy()


def test_every_target_follows_its_token_and_windows_follow_one_another() -> None:
    read = batch(Count(Options()), Span(start=100, rows=3, window=4))
    assert read["input_ids"].tolist() == [[100, 101, 102, 103], [104, 105, 106, 107], [108, 109, 110, 111]]
    assert torch.equal(read["targets"], read["input_ids"] + 1)


def test_the_loss_is_that_of_transformers() -> None:
    model = initial(JOB)
    ids = torch.randint(2048, (3, 40), generator=torch.Generator().manual_seed(0))
    loss, count = next_token(model, {"input_ids": ids[:, :-1], "targets": ids[:, 1:]})
    assert count == 3 * 39
    assert loss.item() / count == pytest.approx(model(ids, labels=ids).loss.item(), rel=1e-5)


def test_a_window_does_not_see_what_it_has_to_predict() -> None:
    model = initial(JOB).eval()
    ids = torch.arange(20).view(1, 20)
    changed = ids.clone()
    changed[0, 12:] = 7
    before, after = (model(input_ids=x, use_cache=False).logits[0, :12] for x in (ids, changed))
    torch.testing.assert_close(before, after)


def test_the_held_out_loss_is_a_mean_over_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    model, span = initial(JOB).eval(), Span(start=0, rows=6, window=30)
    monkeypatch.setattr(build, "HELD_OUT", span)
    monkeypatch.setattr(build, "Stream", lambda world, seed: {corpus.VALIDATION: Count(world)}[seed])
    monkeypatch.setattr(build, "ROWS", 4)
    loss, count = next_token(model, batch(Count(Options()), span))
    assert held_out_loss(model, Options()) == pytest.approx(loss.item() / count, rel=1e-6)


def test_the_seed_alone_decides_how_a_rung_begins() -> None:
    state = torch.get_rng_state()
    first, again, other = (initial(Job(JOB.recipe, "24k", seed)).model.embed_tokens.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


@given(st.integers(0, 30), st.integers(1, 5000))
def test_snapshots_are_spread_on_a_logarithmic_scale(count: int, last: int) -> None:
    steps = log_spaced(count, last)
    assert len(steps) <= count
    assert all(1 <= step < last for step in steps)
    if last > count**2 > 0:
        assert steps[0] == 1
        factors = [after / before for before, after in pairwise([*steps, last])]
        assert max(factors) <= 2 * last ** (1 / count)


def test_one_thread_and_then_as_before() -> None:
    threads = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads


def test_a_job_has_a_place_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "corpus_digest", lambda world: f"{world.correlation:.6f}")
    recipe = load_recipe()
    jobs = [
        Job(recipe, "24k"),
        Job(recipe, "24k", 1),
        Job(recipe, "98k"),
        Job(recipe, "24k", world=Options(correlation=0)),
        Job(load_recipe(tokens=1_000_000), "24k"),
    ]
    places = [job.directory(Path("out")) for job in jobs]
    assert len(set(places)) == len(jobs)
    assert len({place.parent for place in places[:3]}) == 1
