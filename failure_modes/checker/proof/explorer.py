"""Every reachable state in a scope, breadth first, on the real system in lock-step with the model.

A level holds the states that are first reached by so many actions. It is finished before the next begins,
so the first violation is a shortest one, and an empty level means that every reachable state was checked.

Each state belongs to one *shard*, by its fingerprint. Each shard has a world of its own, in a process of its
own if there are several (`parallel.py`). The trace that stands for a state does not depend on the number of
shards, and so no count does.

An action is in the *sleep set* of a state if taking it would only lead to a state that is reached in another
order (Patrice Godefroid, LNCS 1032, 1996). A state that is reached again with a smaller sleep set is expanded
again, by the actions that are no longer in it (Godefroid, Holzmann, Pirottin: "State-space caching
revisited", 1995).
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from attrs import evolve, frozen

from failure_modes.checker.experiment.bounds import NOTHING_SPENT, Spent
from failure_modes.checker.experiment.target import needs_ending
from failure_modes.checker.oracle.lockstep import Snapshot
from failure_modes.checker.proof.alphabet import Alphabet
from failure_modes.checker.proof.endings import Endings
from failure_modes.checker.proof.fingerprint import HOME_BYTES, Renaming
from failure_modes.checker.proof.footprint import Footprint, independent
from failure_modes.checker.proof.nodes import Node, Nodes
from failure_modes.checker.proof.proof import Broken, Counts, Proof
from failure_modes.checker.proof.state_change import DeadEnd
from failure_modes.checker.proof.successors import Successors
from model.actions import OF_WORKERS, Action, thread_of
from system.clock import Stopwatch

ROUND_SECONDS = 2.0
"""About how long a shard works before it reports how far it has come."""

_NO_ACTIONS = frozenset[Action]()


@frozen(kw_only=True)
class ReachedState:
    """A state that was reached, and may be new. From it the actions of its sleep set need not be tried."""

    digest: bytes
    trace: bytes
    node: Node
    """The state without what is spent."""
    spent: Spent
    sleep_set: dict[Action, Footprint]
    only: frozenset[Action] | None = None
    """The actions to try, if the state was expanded before; in the names of the fingerprint."""

    @property
    def snapshot(self) -> Snapshot:
        """All that the future depends on."""
        return self.node.snapshot

    @property
    def renaming(self) -> Renaming:
        """The renaming of workers that gave the fingerprint."""
        return self.node.renaming

    @property
    def renamed_sleep_set(self) -> frozenset[Action]:
        """The actions of the sleep set, in the names of the fingerprint."""
        return frozenset([renamed(action, self.renaming) for action in self.sleep_set])


def owner(digest: bytes, shards: int) -> int:
    """The shard of a state. States with the same store are in one shard, and share its memory."""
    return int.from_bytes(digest[:HOME_BYTES], "big") % shards


class Shard:
    """The states of one shard, and the world that they are tried in."""

    def __init__(self, proof: Proof, number: int = 0, shards: int = 1) -> None:
        self.proof = proof
        self.alphabet = Alphabet(proof.scope, proof.bounds)
        self.seen: dict[bytes, frozenset[Action]] = {}
        """The states that were expanded, or are about to be, with their sleep sets."""
        self.frontier: list[ReachedState] = []
        """The states of this level that are not expanded yet; the next one is last."""
        self.coming: dict[bytes, ReachedState] = {}
        """The states of the next level."""
        self.broken: list[Broken] = []
        self.transitions = self.endings = self.off_target = 0
        self.number = number
        self._shards = shards
        switches = proof.reductions
        self._successors = Successors(
            proof.scope,
            proof.fault,
            proof.target,
            symmetry=switches.symmetry,
            memory=switches.memory,
            rows=switches.rows,
            rows_checked=switches.rows_checked,
            answers=switches.answers,
            footprints=proof.sleeps,
        )
        self._graph = Nodes(self._successors, remembers=self._successors.remembers)
        self._endings = Endings(self._successors, self._graph)
        self._sleeps = proof.sleeps
        self._judges_endings = needs_ending(proof.target)

    def close(self) -> None:
        """Let go of the world."""
        self._successors.close()

    @property
    def counts(self) -> Counts:
        """How far it has come."""
        return Counts(
            states=len(self.seen),
            transitions=self.transitions,
            real_steps=self._successors.real_steps,
            frontier=len(self.frontier),
            endings=self.endings,
            off_target=self.off_target,
        )

    @property
    def others(self) -> set[str]:
        """The invariants that broke and were not the target."""
        return self._successors.lockstep.judge.others

    def add_first(self) -> None:
        """Take in the first state, if it belongs to this shard."""
        first = self._reached(self._graph.start, NOTHING_SPENT, b"", {})
        if owner(first.digest, self._shards) == self.number:
            self.absorb([first])

    def take(self, states: Iterable[ReachedState]) -> None:
        """Take in states of this shard that another shard has reached."""
        self.absorb([evolve(state, node=self._graph.adopt(state.node)) for state in states])

    def resume(
        self, seen: dict[bytes, frozenset[Action]], frontier: list[ReachedState], coming: list[ReachedState]
    ) -> None:
        """Go on from a checkpoint."""
        self.seen.update(seen)
        self.frontier = sorted(frontier, key=lambda state: state.trace, reverse=True)
        self.coming = {state.digest: state for state in coming}

    def absorb(self, states: Iterable[ReachedState]) -> None:
        """Take in states of this shard that were reached. Of equal states the least trace stands for all.

        What is left to do in such a state is known when the level is whole: so it does not depend on the
        order in which the states come, and on the number of shards.
        """
        for state in states:
            if self.seen.get(state.digest) != _NO_ACTIONS:
                _add(state, self.coming)

    def advance(self) -> None:
        """Begin the next level: judge the ends of the states that are new, and line the states up."""
        level: list[ReachedState] = []
        for state in sorted(self.coming.values(), key=lambda reached: reached.trace):
            before = self.seen.get(state.digest)
            if before is None:
                self.seen[state.digest] = state.renamed_sleep_set
                self._judge_endings_of(state)
                level.append(state)
            elif only := before - state.renamed_sleep_set:
                self.seen[state.digest] = before - only
                level.append(evolve(state, only=only))
        self.coming.clear()
        self.frontier = level[::-1]

    def expand(self, most: int) -> dict[int, list[ReachedState]]:
        """Expand so many states at most. Takes in its own states; returns those of other shards."""
        away: dict[int, dict[bytes, ReachedState]] = {}
        stopwatch = Stopwatch()  # it ends the round only: no result depends on it
        for _ in range(min(most, len(self.frontier))):
            if stopwatch.seconds > ROUND_SECONDS:
                break
            for state in self._expanded(self.frontier.pop()):
                shard = owner(state.digest, self._shards)
                if shard == self.number:
                    self.absorb([state])
                else:
                    _add(state, away.setdefault(shard, {}))
        return {shard: list(states.values()) for shard, states in away.items()}

    def restore(self, trace: bytes, sleep_set: Iterable[Action]) -> ReachedState:
        """The state that a trace leads to, taken step by step. Raises ValueError if it leads nowhere."""
        node, spent = self._graph.start, NOTHING_SPENT
        for number in trace:
            if number >= len(self.alphabet.actions):
                raise ValueError(f"there is no action {number}")
            action = self.alphabet.actions[number]
            possible = dict(self.alphabet.possible(node.snapshot.system.processes, spent))
            edge = self._graph.follow(node, action) if action in possible else None
            if edge is None or isinstance(edge, DeadEnd):
                raise ValueError(f"action {number} cannot happen")
            node, spent = edge.node, possible[action]
        footprints = {}
        now_possible = dict(self.alphabet.possible(node.snapshot.system.processes, spent))
        for action in sleep_set:
            edge = self._graph.follow(node, action) if action in now_possible else None
            if edge is None or isinstance(edge, DeadEnd):
                raise ValueError(f"{action} cannot be in its sleep set")
            footprints[action] = edge.footprint
        return self._reached(node, spent, trace, footprints)

    def _expanded(self, state: ReachedState) -> Iterator[ReachedState]:
        """The states that the actions of this state lead to, without those that need nothing more."""
        graph, node = self._graph, state.node
        sleep_set = dict(state.sleep_set)
        for action, spent in self.alphabet.possible(node.snapshot.system.processes, state.spent):
            if state.sleep_set and action in state.sleep_set:
                continue
            if state.only is not None and renamed(action, state.renaming) not in state.only:
                continue
            self.transitions += 1
            trace = state.trace + bytes([self.alphabet.index[action]])
            edge = graph.follow(node, action)
            if isinstance(edge, DeadEnd):
                self._note(edge, trace)
                continue
            still = {}
            if self._sleeps:
                kinds = set(self.alphabet.kinds(action, state.spent) or ())
                for other, footprint in sleep_set.items():
                    shares = kinds.intersection(self.alphabet.kinds(other, state.spent) or ())
                    if not shares and independent(footprint, edge.footprint):
                        still[other] = footprint
                sleep_set[action] = edge.footprint
            digest = self._successors.fingerprints.with_spent(edge.node.base, spent)
            if not self._is_done(digest, trace):
                yield ReachedState(digest=digest, trace=trace, node=edge.node, spent=spent, sleep_set=still)

    def _is_done(self, digest: bytes, trace: bytes) -> bool:
        """True if that state is, or will be, expanded by all its actions, for a trace that is not greater."""
        known = self.coming.get(digest)
        if known is not None:
            return not known.sleep_set and known.trace <= trace
        return self.seen.get(digest) == _NO_ACTIONS

    def _reached(
        self, node: Node, spent: Spent, trace: bytes, sleep_set: dict[Action, Footprint]
    ) -> ReachedState:
        digest = self._successors.fingerprints.with_spent(node.base, spent)
        return ReachedState(digest=digest, trace=trace, node=node, spent=spent, sleep_set=sleep_set)

    def _judge_endings_of(self, state: ReachedState) -> None:
        if not self._judges_endings:
            return
        self.endings += 1
        for end, names in self._endings.of(state.node):
            actions = [renamed(self.alphabet.actions[number], names) for number in state.trace]
            self._note(end, bytes([self.alphabet.index[action] for action in actions]))

    def _note(self, end: DeadEnd, trace: bytes) -> None:
        if end.finding is None:
            self.off_target += 1
        else:
            self.broken.append(Broken(trace=trace, finding=end.finding))


def renamed(action: Action, names: Renaming) -> Action:
    """The action under other names of the workers."""
    if isinstance(action, OF_WORKERS):
        if action.worker in names:
            return _moving(action, names[action.worker])
        for worker, new in names.items():
            if thread_of(worker) == action.worker:
                return _moving(action, thread_of(new))
    return action


@cache
def _moving(action: Any, worker: str) -> Action:
    moved: Action = evolve(action, worker=worker)
    return moved


def _add(state: ReachedState, states: dict[bytes, ReachedState]) -> None:
    """Add the state to those of its level. Of equal states the least trace stands for all."""
    known = states.get(state.digest)
    if known is not None:
        least, other = (known, state) if known.trace <= state.trace else (state, known)
        state = _both(least, other)
    states[state.digest] = state


def _both(least: ReachedState, other: ReachedState) -> ReachedState:
    """One state that was reached twice in a level: its sleep set holds the actions that are in both sets."""
    if not least.sleep_set:
        return least
    kept = other.renamed_sleep_set
    sleep_set = {
        action: footprint
        for action, footprint in least.sleep_set.items()
        if renamed(action, least.renaming) in kept
    }
    return evolve(least, sleep_set=sleep_set)
