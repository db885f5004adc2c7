"""From sequences to what is sent: a token trie whose long shared runs become segments and whose rest packs into rows.

Every distinct prefix of the sequences is a node, computed once. The last token of a sequence is only ever a target, so
it is not sent. Plain Python and numpy: no model is known here.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

#: A shared run at least this long becomes a segment where its subtree does not fit in a row; a shorter one is re-sent.
SEGMENT_TOKENS = 64


@dataclass(frozen=True)
class Row:
    """Tokens of one or more subtrees in depth-first order.

    ids, depths: [tokens]; a depth counts the tokens before it that are not in segments.
    ends: [tokens], one past the last descendant in the row: i sees j exactly where j <= i < ends[j].
    """

    unit: int
    ids: Ints
    depths: Ints
    ends: Ints


@dataclass
class Branch:
    """A long shared run (`ids`, empty at the root) and what lies behind it. unit: its number, as a row has one."""

    unit: int
    ids: tuple[int, ...]
    rows: list[Row] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What to send, and where the prediction of each target is to be found.

    units: how many rows and segments there are, and one for the root.
    targets: [number, 3]: unit, offset in the unit of the token that predicts it, target id; sequence by sequence.
    unique: nodes of the trie of all tokens, those that are only targets included.
    sent: tokens of all units, without padding.
    """

    root: Branch
    units: int
    targets: Ints
    unique: int
    sent: int


@dataclass
class _Node:
    """A run of tokens [start, stop) of sequence `of` without a fork. unit, offset: where each was sent first."""

    of: int
    start: int
    stop: int
    parent: _Node | None = None
    children: list[_Node] = field(default_factory=list)
    size: int = 0
    unit: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    offset: Ints = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True)
class _Run:
    """Part [start, stop) of a node's run, absolute depths."""

    node: _Node
    start: int
    stop: int


def plan(sequences: Sequence[Sequence[int]], starts: Sequence[int], row_tokens: int = 256) -> Plan:
    """How to compute the targets `sequences[i][starts[i]:]`, each given all tokens before it.

    starts: at least 1, at most the sequence's length. row_tokens: the longest row.
    """
    arrays = [np.asarray(s, np.int64) for s in sequences]
    sent = [a[:-1] for a in arrays]
    root, leaves = _radix(sent)
    layout = _Layout(sent, row_tokens)
    layout.cover(root)
    targets = [_locate(leaf, a, start) for leaf, a, start in zip(leaves, arrays, starts, strict=True)]
    table = np.concatenate(targets) if targets else np.empty((0, 3), np.int64)
    return Plan(layout.root, layout.units, table, unique_tokens(arrays), layout.sent)


def unique_tokens(sequences: Sequence[Ints]) -> int:
    """Nodes of the token trie of the sequences."""
    order = _sorted(sequences)
    shared = sum(_common(sequences[a], sequences[b]) for a, b in pairwise(order))
    return sum(map(len, sequences)) - shared


def _sorted(sequences: Sequence[Ints]) -> list[int]:
    # Big-endian bytes of non-negative ints sort as the ints do, and far faster than lists.
    keys = [s.astype(">u4").tobytes() for s in sequences]
    return sorted(range(len(sequences)), key=keys.__getitem__)


def _common(a: Ints, b: Ints) -> int:
    """Length of the common beginning."""
    n = min(len(a), len(b))
    different = np.flatnonzero(a[:n] != b[:n])
    return int(different[0]) if len(different) else n


def _radix(sequences: Sequence[Ints]) -> tuple[_Node, list[_Node]]:
    """The trie with unforked runs joined, and the node in which each sequence ends."""
    root = _Node(0, 0, 0)
    leaves = [root] * len(sequences)
    path, nodes, before = [root], [root], np.empty(0, np.int64)
    for i in _sorted(sequences):
        sequence = sequences[i]
        shared = _common(before, sequence)
        below = None
        while path[-1].stop > shared:
            below = path.pop()
        if below is not None and path[-1].stop < shared:
            upper = _Node(below.of, below.start, shared, path[-1], [below])
            path[-1].children[-1] = upper
            below.parent, below.start = upper, shared
            path.append(upper)
            nodes.append(upper)
        if len(sequence) > shared:
            node = _Node(i, shared, len(sequence), path[-1])
            path[-1].children.append(node)
            path.append(node)
            nodes.append(node)
        leaves[i], before = path[-1], sequence
    for node in sorted(nodes, key=lambda n: -n.stop):
        length = node.stop - node.start
        node.size += length
        node.unit, node.offset = np.full(length, -1), np.full(length, -1)
        if node.parent is not None:
            node.parent.size += node.size
    return root, leaves


def _locate(leaf: _Node, sequence: Ints, start: int) -> Ints:
    """Rows (unit, offset, target) for the targets sequence[start:], whose predictors end in `leaf`."""
    units: list[Ints] = []
    offsets: list[Ints] = []
    node: _Node | None = leaf
    while node is not None and node.stop > start - 1:
        skip = max(0, start - 1 - node.start)
        units.append(node.unit[skip:])
        offsets.append(node.offset[skip:])
        node = node.parent
    if not units:
        return np.empty((0, 3), np.int64)
    return np.stack([np.concatenate(units[::-1]), np.concatenate(offsets[::-1]), sequence[start:]], 1)


class _Layout:
    """Cuts a radix trie into segments and rows, giving each token its place."""

    def __init__(self, sequences: Sequence[Ints], row_tokens: int) -> None:
        self.sequences = sequences
        self.row_tokens = row_tokens
        self.root = Branch(0, ())
        self.units = 1
        self.sent = 0

    def cover(self, root: _Node) -> None:
        """Lay out the whole trie."""
        branches = [self.root]
        pieces: defaultdict[int, list[_Piece]] = defaultdict(list)
        # Subtrees still to be laid out, the branch that they are behind, and the path between, not in its segments.
        work: list[tuple[Branch, tuple[_Run, ...], list[_Node]]] = [(self.root, (), root.children)]
        while work:
            branch, path, nodes = work.pop()
            room = self.row_tokens - _length(path)
            small = [node for node in nodes if node.size <= room]
            pieces[branch.unit].extend(_Piece(path, group) for group in _groups(small, path, room))
            for node in nodes:
                if node.size <= room:
                    continue
                longer = (*path, _Run(node, node.start, node.stop))
                if node.children and _length(longer) < SEGMENT_TOKENS:
                    work.append((branch, longer, node.children))
                    continue
                # The last token goes along with what follows it, for the first targets there are predicted from it.
                cut = node.stop - 1 if node.children else node.stop
                child = self._segment((*path, _Run(node, node.start, cut)))
                branch.branches.append(child)
                branches.append(child)
                work.append((child, (_Run(node, cut, node.stop),), node.children))
        for branch in branches:
            found = pieces[branch.unit]
            packed = _best_fit([piece.size for piece in found], self.row_tokens)
            branch.rows.extend(self._row([found[i] for i in group]) for group in packed)

    def _segment(self, runs: tuple[_Run, ...]) -> Branch:
        unit, offset = self._unit(), 0
        for run in runs:
            offset = _place(run, unit, offset)
        self.sent += offset
        ids = np.concatenate([self._ids(run) for run in runs])
        return Branch(unit, tuple(ids.tolist()))

    def _row(self, pieces: Sequence[_Piece]) -> Row:
        unit = self._unit()
        runs: list[tuple[_Run, int]] = []
        offset = 0
        for piece in pieces:
            end = offset + piece.size
            for run in piece.path:
                runs.append((run, end))
                offset = _place(run, unit, offset)
            stack = list(reversed(piece.nodes))
            while stack:
                node = stack.pop()
                run = _Run(node, node.start, node.stop)
                runs.append((run, offset + node.size))
                offset = _place(run, unit, offset)
                stack.extend(reversed(node.children))
        self.sent += offset
        top = runs[0][0].start
        return Row(
            unit,
            np.concatenate([self._ids(run) for run, _ in runs]),
            np.concatenate([np.arange(run.start - top, run.stop - top) for run, _ in runs]),
            np.concatenate([np.full(run.stop - run.start, end) for run, end in runs]),
        )

    def _ids(self, run: _Run) -> Ints:
        return self.sequences[run.node.of][run.start : run.stop]

    def _unit(self) -> int:
        self.units += 1
        return self.units - 1


@dataclass(frozen=True)
class _Piece:
    """Subtrees that hang on one short path; they go into one row together."""

    path: tuple[_Run, ...]
    nodes: tuple[_Node, ...]

    @property
    def size(self) -> int:
        return _length(self.path) + sum(n.size for n in self.nodes)


def _length(path: Sequence[_Run]) -> int:
    return sum(run.stop - run.start for run in path)


def _place(run: _Run, unit: int, offset: int) -> int:
    """Note where the run's tokens are, unless they were sent before; the offset behind them."""
    node = run.node
    part = slice(run.start - node.start, run.stop - node.start)
    if run.stop > run.start and node.unit[part][0] < 0:
        node.unit[part] = unit
        node.offset[part] = np.arange(offset, offset + run.stop - run.start)
    return offset + run.stop - run.start


def _groups(nodes: Sequence[_Node], path: Sequence[_Run], room: int) -> list[tuple[_Node, ...]]:
    """Subtrees that go together, so that the path to them is sent once a row; single where there is no path."""
    if not path:
        return [(node,) for node in nodes]
    return [tuple(nodes[i] for i in group) for group in _best_fit([node.size for node in nodes], room)]


def _best_fit(sizes: Sequence[int], room: int) -> list[list[int]]:
    """Best-fit decreasing bin packing: groups of indices whose sizes sum to at most `room`."""
    groups: list[list[int]] = []
    left: list[tuple[int, int]] = []
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        at = bisect_left(left, (sizes[i], -1))
        if at < len(left):
            free, group = left.pop(at)
        else:
            free, group = room, len(groups)
            groups.append([])
        groups[group].append(i)
        insort(left, (free - sizes[i], group))
    return groups
