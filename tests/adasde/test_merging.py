"""Merging on the way: the bytes of the whole tree for every order of arrival, few nodes in memory, interrupts."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from adasde.merging import MergeTree


def join(a: str, b: str) -> str:
    return f"({a}{b})"


def whole_tree(leaves: list[str]) -> str:
    """All leaves at once: pairs of neighbours, level by level, the odd one going up alone."""
    while len(leaves) > 1:
        pairs = [join(a, b) for a, b in itertools.zip_longest(leaves[::2], leaves[1::2]) if b is not None]
        leaves = pairs + leaves[len(pairs) * 2 :]
    return leaves[0]


def pruned(number: int, level: int, came: set[int], leaves: int) -> str | None:
    """Node ``number`` of a level of the full tree by its definition, with leaves that did not come left out."""
    if level == 0:
        return f"<{number}>" if number in came and number < leaves else None
    children = (pruned(2 * number + side, level - 1, came, leaves) for side in range(2))
    there = [child for child in children if child is not None]
    return join(*there) if len(there) == 2 else (there or [None])[0]


def merged(leaves: int, order: list[int]) -> MergeTree[str]:
    tree = MergeTree[str](leaves, join)
    for number in order:
        tree.add(number, f"<{number}>")
    return tree


@pytest.mark.parametrize("leaves", [*range(1, 34), 63, 64, 65, 100, 245])
def test_any_order_gives_the_whole_tree(leaves: int) -> None:
    """Forwards, backwards and in ten random orders, leaf by leaf the merger of all at once."""
    expected = whole_tree([f"<{number}>" for number in range(leaves)])
    orders = [list(range(leaves)), list(range(leaves))[::-1]]
    orders += [random.Random(seed).sample(range(leaves), leaves) for seed in range(10)]
    for order in orders:
        tree = merged(leaves, order)
        assert tree.complete and tree.held == 1 and tree.result() == expected


@pytest.mark.parametrize("leaves", range(1, 7))
def test_every_order_of_a_few(leaves: int) -> None:
    """All n! orders."""
    expected = whole_tree([f"<{number}>" for number in range(leaves)])
    assert {merged(leaves, list(order)).result() for order in itertools.permutations(range(leaves))} == {expected}


@pytest.mark.parametrize("leaves", [1, 2, 3, 7, 12, 33, 100])
def test_leaves_that_did_not_come_are_left_out(leaves: int) -> None:
    """After an interrupt the result is that of the full tree without them: a function of the set alone. The rest can
    still follow."""
    depth = math.ceil(math.log2(leaves)) if leaves > 1 else 0
    for seed in range(20):
        order = random.Random(seed).sample(range(leaves), leaves)
        came = order[: 1 + seed * (leaves - 1) // 20]
        tree = merged(leaves, came)
        assert tree.complete == (len(came) == leaves) and tree.done == len(came)
        assert tree.result() == pruned(0, depth, set(came), leaves) == merged(leaves, came[::-1]).result()
        for number in order[len(came) :]:
            tree.add(number, f"<{number}>")
        assert tree.result() == whole_tree([f"<{number}>" for number in range(leaves)])


def test_few_nodes_are_held() -> None:
    """A hundred thousand leaves in turn need a node per level at most, and as many more as are out of turn."""
    leaves, window, rng = 100_000, 8, random.Random(1)
    tree, waiting, most = MergeTree[int](leaves, int.__add__), list[int](), 0
    for number in range(leaves):
        waiting.append(number)
        if len(waiting) == window:
            tree.add(waiting.pop(rng.randrange(window)), 1)
            most = max(most, tree.held)
    for number in waiting:
        tree.add(number, 1)
    assert tree.result() == leaves and most <= math.ceil(math.log2(leaves)) + window * 4


def test_an_interrupted_merger_leaves_the_tree_as_it_was() -> None:
    """A leaf whose merger is cut off does not count, and the others are still there."""
    calls = iter([join, join, None])

    def merge(a: str, b: str) -> str:
        function = next(calls)
        if function is None:
            raise KeyboardInterrupt
        return function(a, b)

    tree = MergeTree[str](4, merge)
    for number in (0, 1, 2):
        tree.add(number, f"<{number}>")
    with pytest.raises(KeyboardInterrupt):
        tree.add(3, "<3>")
    calls = iter([join])
    assert tree.done == 3 and tree.result() == "((<0><1>)<2>)"
