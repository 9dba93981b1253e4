"""The handlers of jobs that run in a run of any queue, and the jobs whose next execution is to fail."""

from collections import Counter
from collections.abc import Iterator

from attrs import define, field

from failure_modes.checker.simulation.foreign import Arrival, Where


@define
class Handlers:
    """Two threads of a process may be in the handler of one job: the second has a name of its own."""

    _failing: set[str] = field(factory=set)
    _running: Counter[tuple[str, str]] = field(factory=Counter)
    """How many threads of a process are in the handler of a job."""
    _most: Counter[str] = field(factory=Counter)
    """The most threads of a process that were in one handler."""

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

    def began(self, process: str, key: str) -> str:
        """A thread of the process is in the handler of the job. Returns the name of who runs it."""
        self._running[process, key] += 1
        number = self._running[process, key]
        self._most[process] = max(self._most[process], number)
        return _name(process, number)

    def ended(self, process: str, key: str) -> str:
        """A thread has left the handler of the job. Returns the name of who has run it."""
        self._running[process, key] -= 1
        return _name(process, self._running[process, key] + 1)

    def killed(self, process: str) -> Iterator[str]:
        """The process is dead. Gives the names that it had."""
        for name, key in list(self._running):
            if name == process:
                del self._running[name, key]
        for number in range(1, max(self._most.pop(process, 0), 1) + 1):
            yield _name(process, number)


def _name(process: str, number: int) -> str:
    return process if number == 1 else f"thread {number} of {process}"
