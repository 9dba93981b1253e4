"""Eight threads do everything at once with one queue, and then its rows are judged, whoever was faster."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from attrs import define, evolve, field

from model.state import Status as ModelStatus
from model.transitions import why_not
from system.clock import ManualClock
from system.policies import CircuitBreaker, Policies, Retry, RetryBudget
from system.policies.lease import Lease
from system.queue import InvalidJob, Queue
from system.store import AuditRow, Execution, Status
from tests.system.databases import Database
from tests.system.threads import AT_ONCE, PATIENT_SECONDS, in_threads

STEPS = 40
KEYS = 12
RETRY = Retry(backoff_seconds=0, attempts_max=3)
NO_LIMITS = Policies(retry=RETRY)
LIMITS = Policies(
    retry=RETRY,
    budget=RetryBudget(retries_max=10_000, window_seconds=3600),
    breaker=CircuitBreaker(failures_max=10_000),
)


@define
class Told:
    """What one thread was answered."""

    payloads: dict[int, str] = field(factory=dict)
    """Of each job that its enqueue added."""
    keys: list[tuple[int, str, bool]] = field(factory=list)
    """Job, key, and whether it existed, for each enqueue with a key."""
    leases: list[Lease] = field(factory=list)
    committed: dict[int, str] = field(factory=dict)
    """The effect as JSON text, by execution, where the commit was answered with True."""
    refused: Counter[tuple[int, str]] = field(factory=Counter)
    """Execution and operation of each answer that was False."""


class Actor:
    """One thread: it draws what it does next, and remembers what it was answered."""

    def __init__(self, queue: Queue, clock: ManualClock, number: int) -> None:
        self._queue = queue
        self._clock = clock
        self._number = number
        self._draw = random.Random(number)
        self._step = 0
        self._late: list[Execution] = []
        self.told = Told()

    def run(self) -> Told:
        """Do so many things, each drawn anew. The first of the threads lets time pass."""
        things: tuple[Callable[[], object], ...] = (
            self._enqueue,
            self._enqueue,
            self._enqueue_with_key,
            self._work,
            self._work,
            self._beat_beside_commit,
            self._fail,
            self._abandon,
            self._come_late,
            self._queue.reconcile,
            self._look,
            self._roll_back,
            self._ask_for_nonsense,
        )
        for self._step in range(STEPS):
            if self._number == 0:
                self._clock.advance(5_000)
            self._draw.choice(things)()
        return self.told

    def _enqueue(self) -> None:
        payload = f"{self._number}-{self._step}"
        self.told.payloads[self._queue.enqueue(payload).id] = payload

    def _enqueue_with_key(self) -> None:
        key, payload = f"k{self._draw.randrange(KEYS)}", f"{self._number}-{self._step}"
        accepted = self._queue.accept(payload, key=key)
        self.told.keys.append((accepted.job.id, key, accepted.existed))
        if not accepted.existed:
            self.told.payloads[accepted.job.id] = payload

    def _started(self) -> Execution | None:
        lease = self._queue.lease(str(self._number))
        if lease is None:
            return None
        self.told.leases.append(lease)
        return lease.execution if self._asked("start", lease.execution) else None

    def _asked(self, operation: str, held: Execution, *values: object, **named: object) -> bool:
        answer: bool = getattr(self._queue, operation)(held, *values, **named)
        if not answer:
            self.told.refused[held.id, operation] += 1
        return answer

    def _commit(self, held: Execution) -> None:
        value = f"{self._number}-{self._step}"
        if self._asked("commit", held, value):
            self.told.committed[held.id] = f'"{value}"'
            self._asked("finish", held)

    def _work(self) -> None:
        if held := self._started():
            self._commit(held)
            if self._draw.random() < 0.3:  # as a worker does that has not heard the answer
                assert not self._asked("commit", held, "again")

    def _beat_beside_commit(self) -> None:
        if held := self._started():
            with ThreadPoolExecutor(1) as beside:
                beat = beside.submit(self._asked, "heartbeat", held)
                self._commit(held)
                beat.result(PATIENT_SECONDS)

    def _fail(self) -> None:
        if held := self._started():
            self._asked("fail", held, detail="no")

    def _abandon(self) -> None:
        if held := self._started():
            self._late.append(held)

    def _come_late(self) -> None:
        if self._late:
            self._commit(self._late.pop())

    def _look(self) -> None:
        counts = self._queue.store.counts()
        assert min(counts.pending, counts.running, counts.succeeded, counts.failed) >= 0
        known = {job.id for job in self._queue.store.jobs()}
        assert known >= self.told.payloads.keys()

    def _roll_back(self) -> None:
        with suppress(ZeroDivisionError), self._queue.store.transaction() as tx:
            tx.add_job(key=None, payload_json='"rolled back"', attempts_max=1)
            raise ZeroDivisionError

    def _ask_for_nonsense(self) -> None:
        with pytest.raises(InvalidJob):
            self._queue.enqueue(object())


def settle(queue: Queue, clock: ManualClock) -> dict[int, str]:
    """Let every lease run out, and bring every job to its end. What was committed then, by execution."""
    committed = {}
    for _ in range(RETRY.attempts_max + 1):
        clock.advance(3_600_000)
        while (batch := queue.reconcile()).finished or batch.aborted:
            pass
        while lease := queue.lease("last"):
            assert queue.start(lease.execution)
            assert queue.commit(lease.execution, "last")
            assert queue.finish(lease.execution)
            committed[lease.execution.id] = '"last"'
    return committed


@pytest.mark.parametrize("policies", [NO_LIMITS, LIMITS], ids=["no limits", "limits"])
def test_whatever_threads_do_at_once_each_promise_is_kept(
    queue: Queue, clock: ManualClock, database: Database, policies: Policies
) -> None:
    """What was answered is so, each job has one effect or was buried, and each transition has its row."""
    queue = evolve(queue, policies=policies)
    told = in_threads(AT_ONCE, lambda number: Actor(queue, clock, number).run())
    committed = settle(queue, clock)

    jobs = {job.id: job for job in queue.store.jobs()}
    check_answers(told, {job_id: (job.payload, job.key) for job_id, job in jobs.items()})
    executions = queue.store.executions()
    given = [lease.execution for one in told for lease in one.leases]
    assert len({held.id for held in given}) == len({held.token for held in given}) == len(given)
    tokens = {execution.id: (execution.token, execution.job_id) for execution in executions}
    assert all(tokens[held.id] == (held.token, held.job_id) for held in given)

    for one in told:
        committed |= one.committed
    effects = queue.store.effects()
    assert {effect.execution_id: effect.value for effect in effects} == committed
    assert len(effects) == len(committed) == len({effect.job_id for effect in effects})

    audit = list(queue.store.audit())
    check_history(audit, executions)
    refused = Counter([(row.execution_id or 0, row.operation) for row in audit if row.event == "refused"])
    assert refused == sum([one.refused for one in told], Counter())
    buried = [row.job_id for row in audit if row.event == "buried"]
    assert sorted([*buried, *[effect.job_id for effect in effects]]) == sorted(jobs)
    counts = queue.store.counts()
    assert (counts.succeeded, counts.failed) == (len(effects), len(buried))
    assert database.sound()


def check_answers(told: list[Told], jobs: dict[int, tuple[object, str | None]]) -> None:
    """Each job that was answered is there with its payload, and no other; each key has one job."""
    payloads: dict[int, str] = {}
    for one in told:
        assert not payloads.keys() & one.payloads.keys(), "no job was given to two"
        payloads |= one.payloads
    assert {job_id: payload for job_id, (payload, _) in jobs.items()} == payloads
    asked = [answer for one in told for answer in one.keys]
    assert all(jobs[job_id][1] == key for job_id, key, _ in asked)
    new = [key for _, key, existed in asked if not existed]
    assert sorted(new) == sorted({key for _, key, _ in asked})


def check_history(audit: list[AuditRow], executions: tuple[Execution, ...]) -> None:
    """The rows of each execution, one after the other, lead to its status by allowed transitions."""
    statuses: dict[int, Status] = {}
    open_of: dict[int, int] = {}
    for row in audit:
        if row.after is None:
            continue
        assert row.execution_id is not None
        assert statuses.get(row.execution_id) is row.before, row
        before = None if row.before is None else ModelStatus(row.before)
        assert why_not(before, ModelStatus(row.after)) is None, row
        statuses[row.execution_id] = row.after
        assert open_of.setdefault(row.job_id, row.execution_id) == row.execution_id, "one at a time"
        if row.after is Status.ABORTED:
            del open_of[row.job_id]
    assert statuses == {execution.id: execution.status for execution in executions}
    events = Counter([row.event for row in audit])
    assert events["leased"] == len(executions)
    assert events["enqueued"] == len({row.job_id for row in audit})
