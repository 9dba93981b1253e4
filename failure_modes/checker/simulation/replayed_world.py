"""A world that may only be restorable by replaying its actions: its database has state that no row shows."""

from abc import abstractmethod

from failure_modes.checker.simulation.world import World


class ReplayedWorld(World):
    """A world that can start over."""

    def start_over(self) -> None:
        """Restore the state of a fresh world. Contents that were read before stay shared."""
        self._begin_again()
        self.content.note_change()

    @abstractmethod
    def extra_state(self) -> tuple[object, ...]:
        """The state on which the future depends, besides the content and the processes."""
