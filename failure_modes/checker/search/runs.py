"""Runs of our queue beside its model, one after the other. They share one world, which starts over for each.

Each run has a model, a ledger and a judge of its own. A world that cannot start over is made anew.
"""

from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.scope import Fault, Scope
from failure_modes.checker.experiment.target import Target, needs_ending
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.run import take_all
from failure_modes.checker.simulation.world import World
from failure_modes.checker.subject.worlds import world_of
from model.actions import Action


class Runs:
    """Runs in one scope, with one fault and one target. `close` must be called."""

    def __init__(self, scope: Scope, fault: Fault, target: Target | None) -> None:
        self._scope = scope
        self._fault = fault
        self._target = target
        self._world: World | None = None

    def begin(self) -> Lockstep:
        """A new run. It ends the one before it."""
        if self._world is not None and self._world.reusable:
            self._world.start_over()
        else:
            self.close()
            self._world = world_of(self._scope, self._fault, reusable=True)
        return Lockstep(self._scope, self._fault, target=self._target, world=self._world)

    def take(self, actions: tuple[Action, ...]) -> Found | None:
        """Take the actions in a new run, and return what breaks. Actions that cannot happen are left out."""
        ending = needs_ending(self._target)
        return take_all(self.begin(), actions, ending=ending, stops_when_over=True).found

    def close(self) -> None:
        """Let go of the world."""
        if self._world is not None:
            self._world.close()
            self._world = None
