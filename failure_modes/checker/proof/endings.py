"""The end of a state: recovery and a fair schedule run from it, and what is left is judged.

A state from which some path led to a good end has a good end itself. So the digests on the path are kept, and
most states are judged after a few steps.
"""

from collections.abc import Iterator

from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.oracle.liveness import MOVES_MAX, ROUNDS_MAX, advance
from failure_modes.checker.oracle.lockstep import Snapshot
from failure_modes.checker.proof.fingerprint import Renaming
from failure_modes.checker.proof.state_change import DeadEnd
from failure_modes.checker.proof.successors import Successors
from failure_modes.checker.simulation.process_snapshot import Standing
from failure_modes.checker.subject.programs import can
from model.actions import Action, actor_of
from model.state import Durable, Settings


class Endings:
    """Judges the ends of states. Made once for a proof."""

    def __init__(self, successors: Successors) -> None:
        self._successors = successors
        self._lockstep = successors.lockstep
        self._end_well: set[bytes] = set()
        """States with a good end, each with an order of the workers."""

    def of(self, snapshot: Snapshot, base: bytes, renaming: Renaming) -> Iterator[tuple[DeadEnd, Renaming]]:
        """What is wrong at the ends of the state; nothing if nothing is.

        `base` is the state's fingerprint without what is spent, and `renaming` the renaming that gave it.

        The schedule has an order of workers. A state stands for all its twins, so it is judged in every
        order: with each fault comes the renaming under which the plain order A, B, … meets it.
        """
        for names in self._successors.fingerprints.renamings:
            order = tuple(sorted(names, key=lambda worker: names[worker]))
            end = self._end(snapshot, base, renaming, order)
            if end is not None:
                yield end, names

    def _end(
        self, snapshot: Snapshot, base: bytes, renaming: Renaming, order: tuple[str, ...]
    ) -> DeadEnd | None:
        if self._lockstep.world.replays:
            return self._end_at_once(snapshot, order)
        run = RememberedRun(self._successors, self._lockstep.settings, snapshot, order)
        visited: dict[bytes, None] = {}
        settled, rounds = False, 0
        for _ in range(MOVES_MAX):
            key = base + "".join([renaming[name] for name in order]).encode()
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
            base, renaming = self._successors.fingerprints.of(run.snapshot)
        lockstep = self._lockstep
        lockstep.restore(run.snapshot)
        try:
            lockstep.judge_ending(settled=settled)
        except Found as found:
            return DeadEnd(finding=found.finding)
        if lockstep.judge.off_target:
            return DeadEnd(off_target=lockstep.judge.off_target)
        self._end_well.update(visited)
        return None

    def _end_at_once(self, snapshot: Snapshot, order: tuple[str, ...]) -> DeadEnd | None:
        """The same in one run, in a world where each restore replays all actions from the start."""
        lockstep = self._lockstep
        lockstep.restore(snapshot)
        try:
            lockstep.finish(order)
        except Found as found:
            return DeadEnd(finding=found.finding)
        return DeadEnd(off_target=lockstep.judge.off_target) if lockstep.judge.off_target else None


class RememberedRun:
    """A run that `liveness.py` can drive, step by step from what the proof remembers.

    `snapshot` is the state that it has come to.
    """

    def __init__(
        self, successors: Successors, settings: Settings, snapshot: Snapshot, order: tuple[str, ...]
    ) -> None:
        """`order` is the order of the workers in the schedule."""
        self.snapshot = snapshot
        self.settings = settings
        self.names = (*order, *successors.names[len(order) :])
        self.dead_end: DeadEnd | None = None
        """Why the run could not go on."""
        self._successors = successors

    @property
    def over(self) -> bool:
        """True if the run could not go on."""
        return self.dead_end is not None

    @property
    def durable(self) -> Durable:
        """What the system's store holds."""
        return self.snapshot.system.durable

    @property
    def now(self) -> int:
        """The time, in milliseconds."""
        return self.snapshot.system.now

    def rests(self, name: str) -> bool:
        """True if the process is at rest."""
        return self._process(name).at_rest

    def possible(self, action: Action) -> bool:
        """True if the action can happen now."""
        name = actor_of(action)
        return name is None or can(name, self._process(name), action)

    def commits(self, action: Action) -> bool:
        """Take one action. Returns True if it committed."""
        change = self._successors.step(self.snapshot, action)
        if isinstance(change, DeadEnd):
            self.dead_end = change
            return False
        self.snapshot = self._successors.after(self.snapshot, action, change)
        return change.committed

    def _process(self, name: str) -> Standing:
        return self.snapshot.system.processes[self._successors.names.index(name)]
