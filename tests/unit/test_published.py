"""What was published: complete, in range, and consistent where papers print a number twice."""

import pytest

from cai_eval.reports import published

PAPERS = ("askell-2021", "bai-2022-rlhf", "bai-2022-cai", "kadavath-2022", "wei-2022")
SIZES = 7  #: of Askell et al. 2021


@pytest.mark.parametrize("paper", PAPERS)
def test_every_number_has_its_place_and_its_source(paper: str) -> None:
    frame = published.numbers(paper)
    assert frame["value"].notna().all()
    for column in ("figure", "series", "y_name", "how_read", "source"):
        assert (frame[column] != "").all()
    assert not frame.duplicated(["figure", "panel", "series", "x_name", "x", "y_name"]).any()
    assert frame["source"].str.startswith("arXiv:").all()
    shares = frame[frame["y_name"].str.contains("accuracy|AUROC|pass@|win rate|toxicity")]
    assert shares["value"].between(-0.1, 1).all()


@pytest.mark.parametrize("place", [*published.SCORES.values(), *published.TAXES.values()])
def test_what_is_drawn_behind_a_benchmark_is_a_curve_over_all_sizes(place: published.Panel) -> None:
    curves = published.curves(place)
    assert curves
    for rows in curves.values():
        assert len(rows) == SIZES
        assert rows["parameters"].is_monotonic_increasing


def test_what_two_figures_show_is_the_same() -> None:
    (nice,) = published.curves(published.Panel("askell-2021", "25", "", "0-shot, nicely formatted")).values()
    plain = published.scores("lambada", "accuracy")["A21 none"]
    assert nice["value"].tolist() == plain["value"].tolist()


def test_nothing_is_drawn_where_the_paper_did_not_measure() -> None:
    assert set(published.categories("hhh", "accuracy_mi")) == {"honest", "helpful", "harmless", "other"}
    assert published.scores("hhh", "accuracy_mean") == {}
