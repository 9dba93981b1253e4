"""Counts how often a job that waits is passed over by jobs that came after it.

A pass counts only if nobody can have the job: a worker that is stopped, or was killed, may have taken it
already, and a queue does not always say so. So a job counts as long as every other process was at rest, or
the job was accepted after that process had stopped. Jobs that have run are not counted: a retry may have to
wait. The same later job counts once. A worker that takes jobs ahead may give one back when its task ends, and
the queue may put it at the end of the line: then only jobs that are enqueued afterwards are later ones.
"""

from attrs import define, field

PASSED_OVER_MAX = 5
"""A job that waits is starved if so many jobs that were enqueued after it have run, and it has not. A worker
that takes some jobs ahead passes over fewer."""

_DEAD = "a dead process"


@define
class _Waiting:
    """A job that was accepted, and has never run."""

    accepted_at: int
    """When it took its place in the line."""
    passed_by: set[str] = field(factory=set)
    holders: set[str] = field(factory=set)
    """The processes that may have taken the job."""

    def give_back(self, now: int) -> None:
        """A process may have put it at the end of the line."""
        self.accepted_at = now


@define
class Overtaking:
    """The jobs of one run that wait for their first turn."""

    takes_ahead: bool
    """True if a worker may take its next job before its last one has ended."""
    _count: int = 0
    """The enqueues that have begun or ended: the order of jobs."""
    _offered_at: dict[str, int] = field(factory=dict)
    _waiting: dict[str, _Waiting] = field(factory=dict)

    def offered(self, key: str) -> None:
        """A producer begins to enqueue the job."""
        self._count += 1
        self._offered_at[key] = self._count

    def accepted(self, key: str) -> None:
        """The enqueue has returned."""
        self._count += 1
        self._waiting[key] = _Waiting(self._count)

    def moved(self, process: str, *, at_rest: bool) -> None:
        """The process has moved. While it is in a task it may have any job."""
        for job in self._waiting.values():
            if at_rest:
                if self.takes_ahead:
                    job.give_back(self._count)
                job.holders.discard(process)
            else:
                job.holders.add(process)

    def killed(self, process: str) -> None:
        """The process is dead: what it had may come back late."""
        for job in self._waiting.values():
            if process in job.holders:
                job.holders.discard(process)
                job.holders.add(_DEAD)

    def started(self, key: str, process: str) -> None:
        """The process runs the job: it passes over those that were accepted before its enqueue began."""
        self._waiting.pop(key, None)
        for job in self._waiting.values():
            if job.accepted_at < self._offered_at.get(key, 0) and job.holders <= {process}:
                job.passed_by.add(key)

    @property
    def starved(self) -> tuple[str, ...]:
        """The jobs that were passed over too often."""
        return tuple([key for key, job in self._waiting.items() if len(job.passed_by) >= PASSED_OVER_MAX])
