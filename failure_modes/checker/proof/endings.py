"""The end of a state: recovery and a fair schedule run from it, and what is left is judged.

This is a question about the graph. The fair schedule of `liveness.py` chooses its next action from the state
alone. So each state, with an order of the workers, has one successor in the liveness run, and the end of the
successor is its own end. A walk goes from successor to successor. It stops at a state whose end is known, or
where nothing is left to do: that last state is judged, once. A walk that comes back to one of its own states
goes round for ever: recovery never ends, and that is judged as such. Only good ends are remembered, so each
state with a bad end is found.

**Why this is sound while workers are interchangeable.** Other checkers were unsound here, for two reasons:

- A renaming makes a circle of a path that is none: a state and its twin count as one, but the schedule goes
  on in another way. Here a state is remembered together with the *order* of the workers, both in the names of
  the fingerprint. Two of these are equal only if one renaming maps the state and the order of one to those of
  the other. The schedule sees names only by their place in that order. So it takes the same way in both, and
  a circle of renamed states can be gone round for ever.
- A state stands for its twins, but a schedule asks the workers in an order, and so treats twins differently.
  Here each state is judged in *every* order. To judge a twin in the plain order A, B, … is to judge the state
  in another order.
"""

from collections.abc import Iterator

from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.oracle.liveness import MOVES_MAX, ROUNDS_MAX, advance
from failure_modes.checker.oracle.lockstep import Snapshot
from failure_modes.checker.proof.fingerprint import Renaming
from failure_modes.checker.proof.nodes import Node, Nodes
from failure_modes.checker.proof.state_change import DeadEnd
from failure_modes.checker.proof.successors import Successors
from failure_modes.checker.simulation.process_snapshot import ProcessSnapshot
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.subject.programs import can
from model.actions import Action, actor_of
from model.state import Durable, Settings


class Endings:
    """Judges the ends of states. Made once for a proof."""

    def __init__(self, successors: Successors, graph: Nodes) -> None:
        self._graph = graph
        self._names = successors.names
        self._lockstep = successors.lockstep
        self._orders = [
            (names, tuple(sorted(names, key=lambda worker: names[worker])))
            for names in successors.fingerprints.renamings
        ]
        self._all_end_well: set[bytes] = set()
        """The bases of the states that have a good end in every order."""
        self._end_well: set[bytes] = set()
        """States with a good end, each with an order of the workers."""

    def of(self, node: Node) -> Iterator[tuple[DeadEnd, Renaming]]:
        """What is wrong at the ends of the state; nothing if nothing is.

        With each fault comes the renaming under which the plain order A, B, … meets it.
        """
        if node.base in self._all_end_well:
            return
        bad = False
        for names, order in self._orders:
            end = self._end(node, order)
            if end is not None:
                bad = True
                yield end, names
        if not bad:
            self._all_end_well.add(node.base)

    def _end(self, node: Node, order: tuple[str, ...]) -> DeadEnd | None:
        lockstep = self._lockstep
        if lockstep.world.restores_by_replay:
            return self._end_at_once(node.snapshot, order)
        run = GraphRun(self._graph, node, (*order, *self._names[len(order) :]), lockstep.settings, order)
        visited: dict[bytes, None] = {}
        settled, rounds = False, 0
        for _ in range(MOVES_MAX):
            key = _with_order(run.node, order)
            if key in self._end_well:
                self._end_well.update(visited)
                return None
            if key in visited or rounds > ROUNDS_MAX:  # the run goes round in a circle, or on for ever
                break
            visited[key] = None
            now = run.now
            if not advance(run):
                settled = True
                break
            if run.dead_end is not None:
                return run.dead_end
            rounds += run.now != now
        end = self._judged(run.node.snapshot, settled=settled)
        if end is None:
            self._end_well.update(visited)
        return end

    def _judged(self, snapshot: Snapshot, *, settled: bool) -> DeadEnd | None:
        lockstep = self._lockstep
        lockstep.restore(snapshot)
        try:
            lockstep.judge_ending(settled=settled)
        except Found as found:
            return DeadEnd(finding=found.finding)
        return DeadEnd(off_target=lockstep.judge.off_target) if lockstep.judge.off_target else None

    def _end_at_once(self, snapshot: Snapshot, order: tuple[str, ...]) -> DeadEnd | None:
        """The same in one run, in a world where each restore replays all actions from the start."""
        lockstep = self._lockstep
        lockstep.restore(snapshot)
        try:
            lockstep.finish(order)
        except Found as found:
            return DeadEnd(finding=found.finding)
        return DeadEnd(off_target=lockstep.judge.off_target) if lockstep.judge.off_target else None


def _with_order(node: Node, order: tuple[str, ...]) -> bytes:
    """The state and the order of the workers, both in the names of the fingerprint.

    Of the orders that differ only by workers that may change places, the least stands for all.
    """
    found = node.fingerprint
    return found.base + min(["".join([names[name] for name in order]) for names in found.renamings]).encode()


class GraphRun:
    """A run along the edges of the graph, which `liveness.py` can drive. `node` is where it has come to."""

    def __init__(
        self,
        graph: Nodes,
        node: Node,
        names: tuple[str, ...],
        settings: Settings,
        workers: tuple[str, ...],
    ) -> None:
        """`names` are the processes, and `workers` the workers, in the order of the schedule."""
        self.node = node
        self.names = names
        self.workers = workers
        self.settings = settings
        self.dead_end: DeadEnd | None = None
        """Why the run could not go on."""
        self._graph = graph

    @property
    def over(self) -> bool:
        """True if the run could not go on."""
        return self.dead_end is not None

    @property
    def durable(self) -> Durable:
        """What the system's store holds."""
        return self.node.snapshot.system.durable

    @property
    def now(self) -> int:
        """The time, in milliseconds."""
        return self.node.snapshot.system.now

    def rests(self, name: str) -> bool:
        """True if the process is at rest."""
        return self._process(name).at_rest

    def hangs(self, name: str) -> bool:
        """True if the process is in a handler that does not return."""
        return self._process(name).at is PausePoint.HUNG

    def possible(self, action: Action) -> bool:
        """True if the action can happen now."""
        name = actor_of(action)
        return name is None or can(name, self._process(name), action)

    def commits(self, action: Action) -> bool:
        """Take one action. Returns True if it committed."""
        edge = self._graph.follow(self.node, action)
        if isinstance(edge, DeadEnd):
            self.dead_end = edge
            return False
        self.node = edge.node
        return edge.committed

    def _process(self, name: str) -> ProcessSnapshot:
        return self.node.snapshot.system.processes[self._graph.places[name]]
