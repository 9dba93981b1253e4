"""The world of second threads whose store may be set back: what both of its parents say, and no more."""

from failure_modes.checker.simulation.rollback_world import RollbackWorld
from failure_modes.checker.simulation.threaded_world import ThreadedWorld


class ThreadedRollbackWorld(RollbackWorld, ThreadedWorld):
    """A world in which processes have second threads, and whose store may be set back."""
