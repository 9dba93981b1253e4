"""The weak model of any queue: accepted → delivered* → acknowledged, failed or dead.

It knows what the processes did (`started`, `returned`, …) and what the queue has recorded (`Status`), and
nothing of how the queue works. It gives `Trouble` values. A trouble is no verdict: `verdict_of` sets the
claim of the documents beside it. The model is silent where it does not know: a job whose enqueue was
interrupted may be lost, and a worker that may have lost its lease may run beside another one.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from attrs import define, field, frozen

from failure_modes.checker.experiment.moves import PRODUCER, WORKERS
from failure_modes.checker.oracle.leases import Leases
from failure_modes.checker.oracle.overtaking import PASSED_OVER_MAX, Overtaking
from failure_modes.checker.subject.adapter import Adapter, Claim, Status, Topic


class Kind(StrEnum):
    """The kinds of trouble. Each is searched for alone: the easiest would hide the others."""

    AT_ONCE = "at once"
    AGAIN = "again"
    LOST = "lost"
    STUCK = "stuck"
    NEVER_RUN = "never run"
    BEYOND = "beyond its maximum"
    FAILED = "failed although it succeeded"
    DIED = "worker died"
    STARVED = "starved"


class Verdict(StrEnum):
    """What a trouble means beside the documents."""

    BREAKS = "breaks its own claim"
    LIMIT = "documented limit"
    NOT_STATED = "not stated"


@frozen(kw_only=True)
class Hunt:
    """What a search looks for: one kind of trouble, and one topic of it; or each topic."""

    kind: Kind
    topic: Topic | None = None

    def wants(self, trouble: "Trouble") -> bool:
        """True if this is the trouble."""
        return trouble.kind is self.kind and self.topic in (None, trouble.topic)

    @property
    def text(self) -> str:
        """The hunt in words."""
        return self.kind if self.topic is None else f"{self.kind} ({self.topic})"


HUNTS = (
    Hunt(kind=Kind.AT_ONCE, topic=Topic.MULTI_PROCESS),
    Hunt(kind=Kind.AT_ONCE, topic=Topic.FENCED),
    Hunt(kind=Kind.AGAIN, topic=Topic.MULTI_PROCESS),
    Hunt(kind=Kind.AGAIN, topic=Topic.FENCED),
    Hunt(kind=Kind.LOST, topic=Topic.KEEPS_WAITING),
    Hunt(kind=Kind.LOST, topic=Topic.KEEPS_JOBS),
    Hunt(kind=Kind.STUCK),
    Hunt(kind=Kind.NEVER_RUN),
    Hunt(kind=Kind.BEYOND, topic=Topic.MAX_ATTEMPTS),
    Hunt(kind=Kind.BEYOND, topic=Topic.COUNTS_CRASHES),
    Hunt(kind=Kind.FAILED),
    Hunt(kind=Kind.DIED),
    Hunt(kind=Kind.STARVED),
)
"""All hunts. If a kind is found without a lease that ran out, its hunt for FENCED says no more."""


@frozen(kw_only=True)
class Trouble:
    """What the weak model found. `topic` is what a claim about it would be about."""

    kind: Kind
    topic: Topic
    key: str | None
    text: str


@define
class _Job:
    """What is known of one job."""

    accepted: bool = False
    starts: int = 0
    returned: int = 0
    raised: int = 0
    crashed: int = 0
    succeeded: bool = False
    """True if a worker returned, and was done with the job before its lease could have run out."""
    recorded: bool = False
    """True if the queue has recorded the success: it says that the job is done, or has forgotten it."""
    running: dict[str, int] = field(factory=dict)
    """The processes in its handler; and since when each may hold a lease, in milliseconds."""

    def accept(self) -> None:
        """The enqueue has returned."""
        self.accepted = True

    def start(self, process: str, since: int) -> None:
        """A process is in the handler. It may hold a lease since then."""
        self.starts += 1
        self.running[process] = since

    def end(self, process: str, *, raised: bool) -> int:
        """The handler has ended. Returns since when the process may hold a lease."""
        self.raised += raised
        self.returned += not raised
        return self.running.pop(process)

    def succeed(self) -> None:
        """A worker that has returned went on in time."""
        self.succeeded = True

    def lose(self, process: str) -> None:
        """The process is dead."""
        self.crashed += self.running.pop(process, None) is not None

    def record(self, status: Status | None) -> None:
        """The queue says this of the job; None if it has forgotten the job."""
        self.recorded = self.recorded or bool(self.returned and status in (None, Status.DONE))


class Deliveries:
    """The jobs of one run. Times are in milliseconds."""

    def __init__(self, *, attempts_max: int | None, lease_seconds: float, takes_ahead: bool) -> None:
        """`takes_ahead`: a process may take its next job before its last one has ended."""
        self._attempts_max = attempts_max
        self._takes_ahead = takes_ahead
        self._lease_ms = round(lease_seconds * 1000)
        self._jobs: dict[str, _Job] = {}
        self._workers_died = False
        self._overtaking = Overtaking(takes_ahead=takes_ahead)
        self._leases = Leases(lease_ms=self._lease_ms, takes_ahead=takes_ahead)
        self._returned: dict[str, dict[str, int]] = {}
        """For each process, the jobs that it has returned from, and since when it may hold a lease."""
        self._free_since: dict[str, int] = {}
        """For each process, the last time at which it surely held no job."""

    @property
    def unrecorded(self) -> bool:
        """True if a job has succeeded, and its queue was not yet seen to have recorded that."""
        return any(job.returned and not job.recorded for job in self._jobs.values())

    def offered(self, key: str) -> None:
        """A producer begins to enqueue the job."""
        self._jobs[key] = _Job()
        self._leases.offered(key)
        self._overtaking.offered(key)

    def accepted(self, key: str) -> None:
        """The enqueue has returned."""
        self._jobs[key].accept()
        self._overtaking.accepted(key)

    def moved(self, process: str, *, at_rest: bool) -> None:
        """The process has moved, and is in a task or at rest."""
        if process != PRODUCER:
            self._leases.moved(process, at_rest=at_rest)
            self._overtaking.moved(process, at_rest=at_rest)

    @property
    def overtaken(self) -> bool:
        """True if a job was passed over too often: if it still waits, it is starved."""
        return bool(self._overtaking.starved)

    def starved(self, statuses: Mapping[str, Status]) -> Iterator[Trouble]:
        """The troubles of the jobs that were passed over too often, and wait."""
        for key in self._overtaking.starved:
            if statuses.get(key) is Status.WAITING:
                text = f"{key} waits, although {PASSED_OVER_MAX} jobs that were enqueued after it have run"
                yield Trouble(kind=Kind.STARVED, topic=Topic.FAIR, key=key, text=text)

    def free(self, process: str, now: int) -> None:
        """The process holds no job now: it has recorded the end of its last one, if it still could."""
        self._went_on(process, now)
        self._free_since[process] = now
        self._leases.free(process, now)

    def started(self, key: str, process: str, now: int) -> Iterator[Trouble]:
        """A process has called the handler of the job."""
        job = self._jobs.setdefault(key, _Job(accepted=True))
        free_since = self._free_since.get(process, 0)
        if not self._takes_ahead:  # else another thread may not yet have recorded the end of its own job
            self._went_on(process, now)
        self._leases.started(key, process)
        late = self._leases.may_have_run_out(key, now)
        topic = Topic.FENCED if late else Topic.MULTI_PROCESS
        others = [name for name, since in job.running.items() if now - since < self._lease_ms]
        job.start(process, free_since)
        self._overtaking.started(key, process)
        if others:
            text = f"{process} runs {key} while {others[0]} runs it, and the lease has not run out"
            yield Trouble(kind=Kind.AT_ONCE, topic=topic, key=key, text=text)
        if job.recorded:
            text = f"{process} runs {key} again, although its success was recorded"
            yield Trouble(kind=Kind.AGAIN, topic=topic, key=key, text=text)
        if self._attempts_max is not None and job.starts > self._attempts_max:
            text = f"{key} runs for the {job.starts}. time; at most {self._attempts_max} are allowed"
            by_errors = job.raised >= self._attempts_max
            counts = Topic.MAX_ATTEMPTS if by_errors else Topic.COUNTS_CRASHES
            yield Trouble(kind=Kind.BEYOND, topic=counts, key=key, text=text)

    def ended(self, key: str, process: str, now: int, *, raised: bool) -> None:
        """The handler has returned, or raised an error."""
        since = self._jobs[key].end(process, raised=raised)
        self._leases.ended(process)
        if not self._takes_ahead:
            self._free_since[process] = now
        if not raised:
            self._returned.setdefault(process, {})[key] = since

    def killed(self, process: str, now: int) -> None:
        """The process is dead."""
        self._workers_died = self._workers_died or process in WORKERS
        for job in self._jobs.values():
            job.lose(process)
        self._returned.pop(process, None)
        self._free_since[process] = now
        self._leases.killed(process, now)
        self._overtaking.killed(process)

    def died(self, process: str, error: str) -> Trouble:
        """The process has died of an error of its own."""
        text = f"{process} died: {' '.join(error.split())}"
        return Trouble(kind=Kind.DIED, topic=Topic.SURVIVES, key=None, text=text)

    def observed(self, statuses: Mapping[str, Status]) -> None:
        """The queue records this now."""
        for key, job in self._jobs.items():
            job.record(statuses.get(key))

    def settled(self, statuses: Mapping[str, Status]) -> bool:
        """True if no job waits or runs."""
        return not any(status in (Status.WAITING, Status.RUNNING) for status in statuses.values())

    def at_end(self, statuses: Mapping[str, Status]) -> Iterator[Trouble]:
        """The troubles that are known only after recovery and a fair schedule."""
        for key, job in self._jobs.items():
            status = statuses.get(key)
            if status is None and job.accepted and not job.returned and not self._dead(job):
                how = "was started and is gone" if job.starts else "is gone and was never started"
                topic = Topic.KEEPS_JOBS if self._workers_died else Topic.KEEPS_WAITING
                yield Trouble(kind=Kind.LOST, topic=topic, key=key, text=f"{key} {how}")
            if status in (Status.WAITING, Status.RUNNING) and job.accepted:
                if job.starts or status is Status.RUNNING:
                    text = f"{key} is {status} for ever, after {job.starts} executions"
                    yield Trouble(kind=Kind.STUCK, topic=Topic.RECOVERY, key=key, text=text)
                else:
                    text = f"{key} waits for ever"
                    yield Trouble(kind=Kind.NEVER_RUN, topic=Topic.RECOVERY, key=key, text=text)
            if status is Status.FAILED and job.succeeded and not job.raised:
                text = f"{key} is recorded as failed, although it returned in time and never raised an error"
                yield Trouble(kind=Kind.FAILED, topic=Topic.OUTCOME, key=key, text=text)

    def _went_on(self, process: str, now: int) -> None:
        """The process has done with the jobs that it has returned from."""
        for key, since in self._returned.pop(process, {}).items():
            if now - since < self._lease_ms:
                self._jobs[key].succeed()

    def _dead(self, job: _Job) -> bool:
        """True if the queue may have given the job up, and forgotten it."""
        if self._attempts_max is None:
            return bool(job.raised)
        return bool(job.raised) and job.raised + job.crashed >= self._attempts_max


def claim_of(adapter: Adapter, topic: Topic) -> Claim | None:
    """The claim about a topic in this configuration; None if the documents do not say."""
    fits = [one for one in adapter.claims if one.topic is topic]
    own = [one for one in fits if one.configuration == adapter.configuration]
    every = [one for one in fits if one.configuration is None]
    return next(iter((*own, *every)), None)


def verdict_of(claim: Claim | None) -> Verdict:
    """What a trouble means, beside the claim about its topic."""
    if claim is None:
        return Verdict.NOT_STATED
    return Verdict.BREAKS if claim.promised else Verdict.LIMIT
