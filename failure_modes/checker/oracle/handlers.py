"""The handlers of jobs that run in a run of any queue, and the jobs whose next execution is to fail."""

from collections import Counter

from attrs import define, field

from failure_modes.checker.simulation.foreign import Arrival, Where


@define
class Handlers:
    """Two threads of a process may be in the handler of one job: it ends with the second."""

    _failing: set[str] = field(factory=set)
    _running: Counter[tuple[str, str]] = field(factory=Counter)
    """How many threads of a process are in the handler of a job."""

    def may_fail(self, key: str) -> bool:
        """True if the next execution of the job is not yet one that fails."""
        return key not in self._failing

    def let_fail(self, key: str) -> None:
        """The next execution of this job raises an error."""
        self._failing.add(key)

    def fails(self, at: Arrival) -> bool:
        """True if the process is in a job that is to raise an error, and goes on now."""
        if at.where is not Where.HANDLER or at.key not in self._failing:
            return False
        self._failing.discard(at.key)
        return True

    def began(self, process: str, key: str) -> None:
        """A thread of the process is in the handler of the job."""
        self._running[process, key] += 1

    def last_ended(self, process: str, key: str) -> bool:
        """A thread has left the handler of the job. True if no other one of its process is in it."""
        self._running[process, key] -= 1
        return not self._running[process, key]

    def killed(self, process: str) -> None:
        """The process is dead."""
        for name, key in list(self._running):
            if name == process:
                del self._running[name, key]
