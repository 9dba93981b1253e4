"""The port between a machine and the run behind it: lock-step with a full model, or the weak model.

`Example` (`examples.py`) is such a run of our queue, and `JudgedRun` (`judged_run.py`) of any queue.
"""

from collections import Counter
from typing import Any, Protocol

from failure_modes.checker.search.choices import Choice


class QueueBroke(AssertionError):
    """The queue did what it must not do. The message has the claim that is broken, if there is one."""


class MachineRun(Protocol):
    """One run from its start. `take` and `finish` raise Found or QueueBroke."""

    @property
    def reached(self) -> Counter[str]:
        """The situations that the run has met, and how often."""
        ...

    @property
    def paused(self) -> tuple[str, ...]:
        """The processes that are stopped inside their work."""
        ...

    @property
    def boundaries(self) -> tuple[str, ...]:
        """The boundaries by name, if a worker can go on to one of them. Shrinking prefers the first ones."""
        ...

    def choices(self) -> tuple[Choice, ...]:
        """What can happen now, each as often as its weight says."""
        ...

    def take(self, moves: tuple[Any, ...]) -> None:
        """Take these moves, one after the other; those that cannot happen are left out."""
        ...

    def finish(self) -> None:
        """Recover, schedule fairly until nothing changes, and judge what is left."""
        ...

    def close(self) -> None:
        """Let go of the run."""
        ...


class MachineRuns(Protocol):
    """The runs of one machine, one after the other."""

    def begin(self) -> MachineRun:
        """A new run. It ends the one before it."""
        ...

    def close(self) -> None:
        """Let go of what the runs share."""
        ...
