"""The reachable states of a small scope as a graph, to look at.

The states are those that a proof of the same scope counts. A proof forgets how they hang together; this
keeps each transition, and so serves small scopes only. It goes on after a violation, where a proof ends.
"""

from attrs import frozen

from failure_modes.checker.experiment.bounds import NOTHING_SPENT, Spent
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.target import needs_ending
from failure_modes.checker.oracle.lockstep import Snapshot
from failure_modes.checker.proof.alphabet import Alphabet
from failure_modes.checker.proof.endings import Endings
from failure_modes.checker.proof.nodes import Nodes
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.state_change import DeadEnd, StateChange
from failure_modes.checker.proof.successors import Successors
from failure_modes.checker.simulation.process_snapshot import ProcessSnapshot
from failure_modes.checker.support.errors import LimitReached
from model.actions import Action, Crash, PowerLoss, actor_of
from model.state import Durable

STATES_MAX = 800
"""The most states of a graph: a picture of more shows nothing."""


class TooManyStates(LimitReached):
    """The scope has too many states for a picture."""


@frozen(kw_only=True)
class GraphState:
    """A state, or the place where a path ends at a violation.

    `number` is its place in the graph, `depth` the least number of actions that lead to it, and `came_from`
    the state before it on such a path. `off_target`: the path ends here because another invariant broke.
    """

    number: int
    depth: int
    came_from: int | None
    now: int
    durable: Durable
    paused: tuple[tuple[str, str], ...]
    """Each process, and the boundary at which it is paused; `at rest` if it remembers nothing.

    If a process crashed on the way that `came_from` leads, and has not moved since, that is said instead.
    """
    crashed: frozenset[str] = frozenset()
    """The processes that have not moved since they crashed, on that way."""
    finding: Finding | None = None
    off_target: str | None = None
    ends: bool = False
    """True if no path leads on: something broke in the last action, and a proof counts no state here."""


@frozen(kw_only=True)
class Transition:
    """An action that leads from a state to a state."""

    before: int
    after: int
    action: Action


@frozen(kw_only=True)
class StateGraph:
    """The states in the order in which they are reached, and the transitions between them."""

    states: tuple[GraphState, ...]
    transitions: tuple[Transition, ...]

    @property
    def reached(self) -> int:
        """The number of states that a proof counts."""
        return len([state for state in self.states if not state.ends])

    def path_to(self, number: int) -> tuple[int, ...]:
        """The states on a shortest path to that state, the first state first."""
        found: list[int] = []
        at: int | None = number
        while at is not None:
            found.append(at)
            at = self.states[at].came_from
        return tuple(reversed(found))

    @property
    def first_broken(self) -> GraphState | None:
        """The state in which the target breaks after the fewest actions."""
        return next((state for state in self.states if state.finding is not None), None)


def state_graph(proof: Proof, states_max: int = STATES_MAX) -> StateGraph:
    """The graph of a scope. Raises TooManyStates."""
    successors = Successors(proof.scope, proof.fault, proof.target, footprints=False)
    try:
        return _Exploration(proof, successors, states_max).graph()
    finally:
        successors.close()


class _Exploration:
    """One breadth-first exploration."""

    def __init__(self, proof: Proof, successors: Successors, states_max: int) -> None:
        self._successors = successors
        self._states_max = states_max
        self._alphabet = Alphabet(proof.scope, proof.bounds)
        self._nodes = Nodes(successors, remembers=successors.remembers)
        self._endings = Endings(successors, self._nodes) if needs_ending(proof.target) else None
        self._numbers: dict[bytes, int] = {}
        self._states: list[GraphState] = []
        self._transitions: list[Transition] = []
        self._frontier: list[tuple[int, Snapshot, Spent]] = []

    def graph(self) -> StateGraph:
        self._reach(self._successors.start, NOTHING_SPENT, None)
        while self._frontier:
            level, self._frontier = self._frontier, []
            for number, snapshot, spent in level:
                self._expand(number, snapshot, spent)
        return StateGraph(states=tuple(self._states), transitions=tuple(self._transitions))

    def _expand(self, number: int, before: Snapshot, spent: Spent) -> None:
        for action, then_spent in self._alphabet.possible(before.system.processes, spent):
            change = self._successors.step(before, action)
            if isinstance(change, DeadEnd):
                reached = self._end(before, number, change)
            else:
                after = self._successors.after(before, action, change)
                reached = self._reach(after, then_spent, number, self._crashed(number, action, change))
            self._transitions.append(Transition(before=number, after=reached, action=action))

    def _crashed(self, number: int, action: Action, change: StateChange) -> frozenset[str]:
        """The processes that have crashed and not moved since, after this action in that state."""
        if isinstance(action, PowerLoss):
            return frozenset(self._successors.names)
        crashed, name = self._states[number].crashed, actor_of(action)
        if name is None:
            return crashed
        dies = isinstance(action, Crash) or any(fault.kind == "crash" for fault in change.faults)
        return crashed | {name} if dies else crashed - {name}

    def _reach(
        self, snapshot: Snapshot, spent: Spent, came_from: int | None, crashed: frozenset[str] = frozenset()
    ) -> int:
        node = self._nodes.node(snapshot)
        digest = self._successors.fingerprints.with_spent(node.base, spent)
        known = self._numbers.get(digest)
        if known is not None:
            return known
        finding = None
        if self._endings is not None:
            ends = [end for end, _ in self._endings.of(node)]
            finding = next((end.finding for end in ends if end.finding is not None), None)
        number = self._numbers[digest] = self._add(snapshot, came_from, finding=finding, crashed=crashed)
        self._frontier.append((number, snapshot, spent))
        return number

    def _end(self, before: Snapshot, came_from: int, end: DeadEnd) -> int:
        return self._add(
            before,
            came_from,
            finding=end.finding,
            off_target=end.off_target,
            ends=True,
            crashed=self._states[came_from].crashed,
        )

    def _add(
        self,
        snapshot: Snapshot,
        came_from: int | None,
        *,
        finding: Finding | None,
        off_target: str | None = None,
        ends: bool = False,
        crashed: frozenset[str] = frozenset(),
    ) -> int:
        if len(self._states) >= self._states_max:
            most = self._states_max
            raise TooManyStates(
                f"more than {most} states are reachable, too many for a picture; `prove` counts them"
            )
        processes = zip(self._successors.names, snapshot.system.processes, strict=True)
        self._states.append(
            GraphState(
                number=len(self._states),
                depth=0 if came_from is None else self._states[came_from].depth + 1,
                came_from=came_from,
                now=snapshot.system.now,
                durable=snapshot.system.durable,
                paused=tuple([(name, _paused(name, one, crashed)) for name, one in processes]),
                crashed=crashed,
                finding=finding,
                off_target=off_target,
                ends=ends,
            )
        )
        return self._states[-1].number


def _paused(name: str, process: ProcessSnapshot, crashed: frozenset[str]) -> str:
    """Where a process is paused, in words. A process that takes the name of a crashed one has not begun."""
    if name in crashed:
        return f"crashed; the next {name} has not begun"
    return "at rest" if process.at_rest else str(process.at)
