"""Merging leaves as they come, in a fixed order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Leaf = TypeVar("Leaf")


class MergeTree(Generic[Leaf]):
    """Merges leaves 0, 1, ..., n - 1, which come in any order, in one binary tree over their numbers.

    Node i of a level is the merger of nodes 2 i and 2 i + 1 below, or node 2 i alone where that is the last one. Two
    siblings are merged as soon as both are there, left before right: the result is the same bytes whatever the order in
    which leaves come, and nothing is held but one node for each gap among them: with leaves coming about in turn, at
    most log2(n) nodes and those whose turn has not come.

    Where only some leaves came, `result` is the same tree with the others left out: a node with one child is that
    child. It depends on the set of leaves that came, and on nothing else.
    """

    def __init__(self, leaves: int, merge: Callable[[Leaf, Leaf], Leaf]) -> None:
        self.leaves = leaves
        self.done = 0
        self._merge = merge
        self._nodes: dict[tuple[int, int], Leaf] = {}

    @property
    def complete(self) -> bool:
        """Whether all leaves came."""
        return self.done == self.leaves

    @property
    def held(self) -> int:
        """Number of nodes in memory."""
        return len(self._nodes)

    def add(self, number: int, leaf: Leaf) -> None:
        """Takes leaf ``number``, once."""
        level, used = 0, []
        while self._width(level) > 1:
            sibling = (level, number ^ 1)
            if sibling in self._nodes:
                pair = (leaf, self._nodes[sibling]) if number % 2 == 0 else (self._nodes[sibling], leaf)
                leaf = self._merge(*pair)
                used.append(sibling)
            elif sibling[1] < self._width(level):
                break
            level, number = level + 1, number // 2
        # All at once in the end: an interrupt in the middle of a merger leaves the tree as it was.
        for node in used:
            del self._nodes[node]
        self._nodes[level, number] = leaf
        self.done += 1

    def result(self) -> Leaf:
        """The merger of all leaves that came; there must be one at least. More leaves can follow."""
        nodes, level = dict(self._nodes), 0
        while self._width(level) > 1:
            for number in sorted(number for at, number in nodes if at == level):
                leaf, parent = nodes.pop((level, number)), (level + 1, number // 2)
                nodes[parent] = self._merge(nodes[parent], leaf) if parent in nodes else leaf
            level += 1
        return nodes[level, 0]

    def _width(self, level: int) -> int:
        """Number of nodes of a level of the full tree."""
        return -(-self.leaves >> level)
