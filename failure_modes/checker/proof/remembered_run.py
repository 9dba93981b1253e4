"""The liveness run from one state of a proof, step by step from what the proof remembers."""

from typing import Protocol

from failure_modes.checker.oracle.records import Change, Ends, Snapshot
from failure_modes.checker.simulation.process_snapshot import Standing
from failure_modes.checker.subject.possible import can
from model.actions import Action, actor_of
from model.state import Durable, Settings


class Steps(Protocol):
    """Where an action leads from a state."""

    names: tuple[str, ...]
    """The processes, in the order in which a snapshot has them."""

    def step(self, there: Snapshot, action: Action) -> Change | Ends:
        """What the action changes; or why it leads nowhere."""
        ...

    def after(self, there: Snapshot, action: Action, change: Change) -> Snapshot:
        """The state with the change made."""
        ...


class RememberedRun:
    """A run for `failure_modes.checker.oracle.liveness`. `there` is the state that it has come to."""

    def __init__(self, steps: Steps, settings: Settings, there: Snapshot, order: tuple[str, ...]) -> None:
        """`order` is that of the workers in the schedule."""
        self.there = there
        self.settings = settings
        self.names = (*order, *steps.names[len(order) :])
        self.ends: Ends | None = None
        """Why it could not go on."""
        self._steps = steps

    @property
    def over(self) -> bool:
        """True if it could not go on."""
        return self.ends is not None

    @property
    def durable(self) -> Durable:
        """What is durable now."""
        return self.there.durable

    @property
    def now(self) -> int:
        """The time, in milliseconds."""
        return self.there.now

    def rests(self, name: str) -> bool:
        """True if the process has nothing to go on with."""
        return self._snapshot_of(name).at_rest

    def possible(self, action: Action) -> bool:
        """True if the action can happen now."""
        name = actor_of(action)
        return name is None or can(name, self._snapshot_of(name), action)

    def commits(self, action: Action) -> bool:
        """Do it. Returns whether it committed."""
        change = self._steps.step(self.there, action)
        if isinstance(change, Ends):
            self.ends = change
            return False
        self.there = self._steps.after(self.there, action, change)
        return change.committed

    def _snapshot_of(self, name: str) -> Standing:
        return self.there.standings[self._steps.names.index(name)]
