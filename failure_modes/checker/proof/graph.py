"""The graph of a proof: a node is a state without what is spent, and an edge is an action.

Many states differ only in what is spent: a reconciliation that found nothing to do is spent, and nothing else
has changed. They share one node, so each action is taken once from it, and its ending is judged once.
"""

from typing import Any

from attrs import frozen

from failure_modes.checker.oracle.lockstep import Snapshot
from failure_modes.checker.proof.fingerprint import Renaming
from failure_modes.checker.proof.footprint import Footprint
from failure_modes.checker.proof.state_change import DeadEnd
from failure_modes.checker.proof.successors import Successors
from model.actions import Action

NODES_MAX = 400_000
"""Nodes whose edges are kept in memory. When there are more, all are forgotten, and followed again."""


@frozen(eq=False)
class Node:
    """A state without what is spent. `base` is its fingerprint, and `renaming` the renaming that gave it."""

    snapshot: Snapshot
    base: bytes
    renaming: Renaming


@frozen(eq=False)
class Edge:
    """An action that leads to a node, and what it touched on its way."""

    node: Node
    footprint: Footprint
    committed: bool


class Graph:
    """The nodes that were reached, and the edges that were followed."""

    def __init__(self, successors: Successors, *, remembers: bool) -> None:
        """`remembers`: an edge is followed once. Otherwise it is followed again each time."""
        self._successors = successors
        self._fingerprints = successors.fingerprints
        self._remembers = remembers
        self.places = {name: place for place, name in enumerate(successors.names)}
        """The place of each process in a snapshot."""
        self._nodes: dict[tuple[Any, ...], Node] = {}
        self._edges: dict[Node, dict[Action, Edge | DeadEnd]] = {}

    @property
    def start(self) -> Node:
        """The first state."""
        return self.node(self._successors.start)

    def node(self, snapshot: Snapshot) -> Node:
        """The node of a snapshot. Its parts must be those that equal parts share: see `Successors.own`."""
        key = self._fingerprints.key(snapshot)
        known = self._nodes.get(key)
        if known is None:
            if len(self._nodes) > NODES_MAX:
                self._nodes.clear()
                self._edges.clear()
            known = self._nodes[key] = Node(snapshot, *self._fingerprints.of(snapshot))
        return known

    def adopt(self, node: Node) -> Node:
        """The same node, of the graph of another process."""
        snapshot = self._successors.own(node.snapshot)
        return self._nodes.setdefault(
            self._fingerprints.key(snapshot), Node(snapshot, node.base, node.renaming)
        )

    def follow(self, node: Node, action: Action) -> Edge | DeadEnd:
        """Where the action leads from that node."""
        if not self._remembers:
            return self._followed(node, action)
        edges = self._edges.get(node)
        if edges is None:
            edges = self._edges[node] = {}
        known = edges.get(action)
        if known is None:
            known = edges[action] = self._followed(node, action)
        return known

    def _followed(self, node: Node, action: Action) -> Edge | DeadEnd:
        change = self._successors.step(node.snapshot, action)
        if isinstance(change, DeadEnd):
            return change
        after = self._successors.after(node.snapshot, action, change)
        return Edge(self.node(after), change.footprint, change.committed)
