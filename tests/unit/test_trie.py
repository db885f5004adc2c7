import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cai_eval.inference.trie import SEGMENT_TOKENS, Branch, plan, unique_tokens


@st.composite
def requests(draw):
    """Sequences that share stems of stems, with a start each."""
    stems = draw(st.lists(st.lists(st.integers(0, 2), max_size=12), min_size=1, max_size=4))
    long = [0] * draw(st.integers(0, SEGMENT_TOKENS + 20))
    sequences, starts = [], []
    for _ in range(draw(st.integers(1, 10))):
        body = [t for i in draw(st.lists(st.integers(0, len(stems) - 1), max_size=4)) for t in stems[i]]
        sequence = (long if draw(st.booleans()) else []) + body + [draw(st.integers(0, 2))]
        sequences.append(sequence)
        starts.append(draw(st.integers(1, len(sequence))))
    return sequences, starts, draw(st.sampled_from([4, 16, 100]))


def texts(layout):
    """Unit → for each of its tokens, the sequence that the token sees, itself included, read off the plan."""
    seen = {}

    def visit(branch: Branch, before: tuple[int, ...]) -> None:
        seen[branch.unit] = [before + branch.ids[: i + 1] for i in range(len(branch.ids))]
        before += branch.ids
        for row in branch.rows:
            position = np.arange(len(row.ids))
            sees = (position <= position[:, None]) & (position[:, None] < row.ends)
            seen[row.unit] = [before + tuple(row.ids[s]) for s in sees]
            assert [int(d) + 1 for d in row.depths] == [int(s.sum()) for s in sees]
        for child in branch.branches:
            visit(child, before)

    visit(layout.root, ())
    return seen


def rows(branch):
    return [*branch.rows, *(row for child in branch.branches for row in rows(child))]


@given(requests())
def test_each_target_is_predicted_once_from_all_that_precedes_it(case):
    sequences, starts, row_tokens = case
    layout = plan(sequences, starts, row_tokens)
    seen = texts(layout)
    expected = [(tuple(s[:i]), s[i]) for s, start in zip(sequences, starts, strict=True) for i in range(start, len(s))]
    assert [(seen[unit][offset], target) for unit, offset, target in layout.targets.tolist()] == expected


@given(requests())
def test_what_is_sent(case):
    sequences, starts, row_tokens = case
    layout = plan(sequences, starts, row_tokens)
    seen = texts(layout)
    nodes = {tuple(s[:i]) for s in sequences for i in range(1, len(s) + 1)}
    inner = {tuple(s[:i]) for s in sequences for i in range(1, len(s))}
    sent = [text for unit in seen.values() for text in unit]
    assert layout.unique == unique_tokens([np.array(s) for s in sequences]) == len(nodes)
    assert set(sent) == inner
    assert layout.sent == len(sent)
    assert layout.units == len(seen)
    assert all(len(row.ids) <= row_tokens for row in rows(layout.root))
    if sum(map(len, sequences)) <= row_tokens:
        assert len(sent) == len(inner)


def test_a_long_stem_of_stems_becomes_nested_segments():
    prefix, question, other = [1] * 100, [2] * 80, [3] * 20
    sequences = [prefix + question + [4, i] + [5] * 30 for i in range(10)] + [prefix + other + [6, 7]]
    layout = plan(sequences, [len(s) - 1 for s in sequences], 128)
    (first,) = layout.root.branches
    (second,) = first.branches
    # The last token of each stem goes along with its rows.
    assert (len(first.ids), len(second.ids)) == (99, 81)
    assert not layout.root.rows
    assert sorted(len(row.ids) for row in first.rows) == [22]


def test_the_ends_of_a_long_short_stem_are_sent_again():
    sequences = [[9] * 10 + [i] * 20 + [0] for i in range(8)]
    layout = plan(sequences, [1] * 8, 64)
    assert [len(row.ids) for row in layout.root.rows] == [50, 50, 50, 50]
    assert layout.sent == layout.unique - 1 * 8 + 3 * 10


def test_an_unshared_run_longer_than_a_row_is_a_segment_with_targets():
    layout = plan([list(range(300))], [1], 256)
    (branch,) = layout.root.branches
    assert branch.ids == tuple(range(299))
    assert not branch.rows
    assert layout.targets[:, 0].tolist() == [branch.unit] * 299


@pytest.mark.parametrize("sequences", [[], [[5]], [[5], [6]]])
def test_nothing_to_send(sequences):
    layout = plan(sequences, [1] * len(sequences))
    assert layout.sent == len(layout.targets) == 0
    assert layout.unique == len(sequences)


def test_a_thousand_growing_windows_need_no_recursion():
    text = list(range(1500))
    layout = plan([text[:n] for n in range(2, 1501)], list(range(1, 1500)))
    assert layout.unique == 1500
    assert layout.targets[:, 2].tolist() == text[1:]
