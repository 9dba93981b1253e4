"""Whether a lease on a job may have run out, as far as the weak model can know.

A process may hold jobs from the moment at which it begins a task until it is at rest. If that takes as long
as a lease, the queue may give these jobs to others, and may forget that the process is a worker. A process
that died in a task holds its jobs until the lease ends. The module does not know how a queue leases its jobs,
so it says yes where it does not know: in a task that takes as long as a lease a process may have held any
job, also one that it gave back and did not run. It never says yes only because the run is long.
"""

from attrs import define, field


@define
class _Stay:
    """One task of a process, from its beginning. Times are in milliseconds."""

    since: int
    keys: set[str] = field(factory=set)
    """The jobs that it ran; of a dead process or a late one, also those that it may have taken."""
    running: str | None = None
    """The job in whose handler it is."""
    at_rest: bool = True
    began: bool = False
    """True if the process has moved in the task."""
    until: int | None = None
    """When it came to rest; None while it is in the task, and after it died there."""

    def move(self, *, at_rest: bool) -> None:
        """The process has moved."""
        self.at_rest = at_rest
        self.began = self.began or not at_rest

    def run(self, key: str) -> None:
        """The process is in the handler of the job."""
        self.move(at_rest=False)
        self.running = key
        self.keys.add(key)

    def end(self) -> None:
        """The handler has ended."""
        self.running = None

    def rest(self, now: int) -> None:
        """The task is done."""
        self.until = now

    def may_have_taken(self, keys: set[str]) -> None:
        """The process died or was late, and nobody knows which of these jobs it held."""
        self.keys |= keys


class Leases:
    """The tasks of the processes of one run."""

    def __init__(self, *, lease_ms: int, takes_ahead: bool) -> None:
        """`takes_ahead`: a process may take its next job before its last one has ended."""
        self._lease_ms = lease_ms
        self._takes_ahead = takes_ahead
        self._jobs: set[str] = set()
        self._present: dict[str, _Stay] = {}
        self._past: list[_Stay] = []

    def offered(self, key: str) -> None:
        """A producer begins to enqueue the job."""
        self._jobs.add(key)

    def free(self, process: str, now: int) -> None:
        """The process holds no job now. Its next task begins now at the earliest."""
        stay = self._of(process)
        if self._late(stay, now):
            stay.may_have_taken(self._jobs)
        if stay.keys:
            stay.rest(now)
            self._past.append(stay)
        self._present[process] = _Stay(since=now)

    def moved(self, process: str, *, at_rest: bool) -> None:
        """The process has moved, and is in a task or at rest."""
        self._of(process).move(at_rest=at_rest)

    def started(self, key: str, process: str) -> None:
        """The process is in the handler of the job."""
        self._of(process).run(key)

    def ended(self, process: str) -> None:
        """The handler of the process has ended."""
        self._of(process).end()

    def killed(self, process: str, now: int) -> None:
        """The process is dead. What it held stays with it until the lease ends."""
        stay = self._of(process)
        if not stay.at_rest:
            if stay.running is None or self._takes_ahead or self._late(stay, now):
                stay.may_have_taken(self._jobs)
            self._past.append(stay)
        self._present[process] = _Stay(since=now)

    def may_have_run_out(self, key: str, now: int) -> bool:
        """True if a lease on the job, or that of a process which is in a task now, may have run out."""
        present = [stay for stay in self._present.values() if not stay.at_rest]
        past = [stay for stay in self._past if key in stay.keys]
        return any(
            (now if stay.until is None else stay.until) - stay.since >= self._lease_ms
            for stay in (*present, *past)
        )

    def _late(self, stay: _Stay, now: int) -> bool:
        """True if the task that ends now took as long as a lease."""
        return stay.began and now - stay.since >= self._lease_ms

    def _of(self, process: str) -> _Stay:
        return self._present.setdefault(process, _Stay(since=0))
