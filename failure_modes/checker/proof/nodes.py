"""The graph of a proof: a node is a state without what is spent, and an edge is an action.

Many states differ only in what is spent: a reconciliation that found nothing to do is spent, and nothing else
has changed. They share one node, so each action is taken once from it, and its ending is judged once.
"""

from collections.abc import Callable
from typing import Any

from attrs import frozen

from failure_modes.checker.oracle.lockstep import Snapshot
from failure_modes.checker.proof.fingerprint import Fingerprint, Renaming
from failure_modes.checker.proof.footprint import Footprint
from failure_modes.checker.proof.state_change import DeadEnd, Parts, StateChange, parts_of
from failure_modes.checker.proof.successors import Successors
from model.actions import Action

NODES_MAX = 400_000
"""Nodes whose edges are kept in memory. When there are more, all are forgotten, and followed again."""


Take = Callable[[Snapshot], Fingerprint]


class Node:
    """A state without what is spent. Its fingerprint is taken when it is first asked for."""

    __slots__ = ("_fingerprint", "_take", "snapshot")

    def __init__(self, snapshot: Snapshot, take: Take | None, fingerprint: Fingerprint | None = None) -> None:
        """`take` takes the fingerprint of a snapshot."""
        self.snapshot = snapshot
        self._take = take
        self._fingerprint = fingerprint

    @property
    def fingerprint(self) -> Fingerprint:
        """The fingerprint, and the renamings that give it."""
        if self._fingerprint is None:
            assert self._take is not None, "a node has a fingerprint, or takes it"
            self._fingerprint = self._take(self.snapshot)
        return self._fingerprint

    @property
    def base(self) -> bytes:
        """The fingerprint."""
        return self.fingerprint.base

    @property
    def renaming(self) -> Renaming:
        """The first renaming that gives the fingerprint."""
        return self.fingerprint.renamings[0]

    def __reduce__(self) -> tuple[Any, ...]:
        return Node, (self.snapshot, None, self.fingerprint)


@frozen(eq=False)
class Edge:
    """An action that leads to a node, and what it touched on its way."""

    node: Node
    footprint: Footprint
    committed: bool


class Nodes:
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
        key = _key(parts_of(snapshot))
        return self._nodes.get(key) or self._new(key, snapshot)

    def adopt(self, node: Node) -> Node:
        """The same node, of the graph of another process."""
        snapshot = self._successors.own(node.snapshot)
        return self._nodes.setdefault(_key(parts_of(snapshot)), Node(snapshot, None, node.fingerprint))

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
        return Edge(self._after(node.snapshot, action, change), change.footprint, change.committed)

    def _after(self, before: Snapshot, action: Action, change: StateChange) -> Node:
        """The node after the change. A snapshot is made only of a new one."""
        if change.snapshot is not None:
            return self.node(change.snapshot)
        parts = self._successors.parts_after(before, action, change)
        key = _key(parts)
        return self._nodes.get(key) or self._new(key, self._successors.snapshot_of(parts))

    def _new(self, key: tuple[Any, ...], snapshot: Snapshot) -> Node:
        if len(self._nodes) > NODES_MAX:
            self._nodes.clear()
            self._edges.clear()
        node = self._nodes[key] = Node(snapshot, self._fingerprints.taken)
        return node


def _key(parts: Parts) -> tuple[Any, ...]:
    """A key that only equal states share, as long as their parts are in memory."""
    processes, model = [id(process) for process in parts.processes], parts.model
    workers = None if model is None else (model[1], *[id(worker) for worker in model[0]])
    extra = repr(parts.extra) if parts.extra else None
    return id(parts.content), parts.now, parts.skews, *processes, workers, parts.ledger, extra
