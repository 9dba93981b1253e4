"""The scope of a run: with the actions, it is all that a replay needs."""

from collections.abc import Callable
from enum import StrEnum

from attrs import evolve, field, frozen, validators

from failure_modes.checker.experiment.granularity import Granularity as Granularity
from failure_modes.checker.experiment.ticks import ticks_of
from model.actions import PRODUCER, RECONCILERS, thread_of
from model.state import Settings
from system.policies import CircuitBreaker, Policies, Reconciliation, Retry, RetryBudget
from system.queue import Queue
from system.store import Store

WORKER_NAMES = "ABCDEFGH"
PROCESS_OF = {thread_of(worker): worker for worker in WORKER_NAMES}
"""The process of each second thread that there may be."""


class StoreKind(StrEnum):
    """The database that the real queue runs on."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


@frozen(kw_only=True)
class Scope:
    """The processes, granularity, settings and database of a run. The workers are named A, B and so on."""

    workers: int = field(default=2, validator=[validators.ge(1), validators.le(len(WORKER_NAMES))])
    granularity: Granularity = Granularity.TRANSACTION
    settings: Settings = field(factory=Settings)
    store: StoreKind = StoreKind.SQLITE
    power_loss: bool = False
    """True if writes and syncs are recorded, so that power may fail."""
    threads: bool = False
    """True if each worker has a second thread, which sends heartbeats. On SQLite."""
    rollback: bool = field(default=False)
    """True if earlier rows are kept, so that the store may be set back."""
    constraints: bool = True
    """True if the schema has its unique indexes. They make the effects of some faults impossible."""
    within_statements: bool = False
    """True if a process also pauses within a statement with SKIP LOCKED: the statement has its snapshot, and
    has locked no row. On PostgreSQL, at granularity `statement`."""
    reconcilers: int = field(default=1, validator=[validators.ge(1), validators.le(len(RECONCILERS))])
    worker_attempts_max: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    """The attempts in the policies of all processes but the producer; None: as in the settings.

    A job has the number that its producer gave it, so this number must change nothing.
    """

    payloads_differ: bool = False
    """True if a producer that enqueues a key again asks for something else. At granularity `transaction`."""
    tick_seconds: tuple[float, ...] = (30,)
    """The lengths that a tick of the clock may have, in a search and in a proof: by default, a lease.

    A trace does not need them: each of its ticks has its length.
    """

    @rollback.validator
    def _one_world(self, _: object, rollback: bool) -> None:
        if rollback and self.power_loss:
            raise ValueError("a rollback and a loss of power need different worlds")

    def with_each_tick(self) -> "Scope":
        """The scope with the ticks of `ticks_of`: each wait that its settings make can run out."""
        return evolve(self, tick_seconds=ticks_of(self.settings))

    @property
    def names(self) -> tuple[str, ...]:
        """The workers' names."""
        return tuple(WORKER_NAMES[: self.workers])

    @property
    def thread_names(self) -> tuple[str, ...]:
        """The names of the second threads, in the order of the workers."""
        return tuple([thread_of(worker) for worker in self.names]) if self.threads else ()

    @property
    def process_names(self) -> tuple[str, ...]:
        """The names of all processes and threads, in the order of a world."""
        return (*self.names, PRODUCER, *self.reconciler_names, *self.thread_names)

    @property
    def reconciler_names(self) -> tuple[str, ...]:
        """The reconcilers' names."""
        return RECONCILERS[: self.reconcilers]

    def settings_of(self, process: str) -> Settings:
        """The settings of the policies that the process of that name has."""
        if self.worker_attempts_max is None or process == PRODUCER:
            return self.settings
        return evolve(self.settings, attempts_max=self.worker_attempts_max)

    @property
    def description(self) -> str:
        """The workers, and the settings that differ from the defaults: `2 workers, 1 retry in 60 s`."""
        settings, usual = self.settings, Settings()
        words = [_counted(self.workers, "worker", "workers")]
        if self.threads:
            words.append("a second thread in each")
        if self.reconcilers > 1:
            words.append(f"{self.reconcilers} reconcilers")
        if settings.lease_ms != usual.lease_ms:
            words.append(f"leases of {_seconds(settings.lease_ms)}")
        if settings.attempts_max != usual.attempts_max:
            words.append(f"{_counted(settings.attempts_max, 'attempt', 'attempts')} a job")
        if self.worker_attempts_max is not None:
            words.append(f"{self.worker_attempts_max} in the policies of the workers")
        backoff = settings.backoff_ms, settings.backoff_max_ms
        if backoff != (usual.backoff_ms, usual.backoff_max_ms):
            words.append(f"backoff from {_seconds(backoff[0])} to {_seconds(backoff[1])}")
        if settings.jitter_seed is not None:
            words.append("backoff with jitter")
        if settings.retries_max is not None:
            retries = _counted(settings.retries_max, "retry", "retries")
            words.append(f"{retries} in {_seconds(settings.window_ms)}")
        if settings.failures_max is not None:
            opens = f"a breaker that opens at failure {settings.failures_max}"
            usually = settings.open_ms == usual.open_ms
            words.append(opens if usually else f"{opens} for {_seconds(settings.open_ms)}")
        if settings.reconcile_batch != usual.reconcile_batch:
            batch = _counted(settings.reconcile_batch, "execution", "executions")
            words.append(f"{batch} in a run of the reconciliation")
        if settings.fused:
            words.append("fused workers")
        if settings.external:
            words.append("handlers that call a gateway")
        if not self.constraints:
            words.append("no unique indexes")
        if self.payloads_differ:
            words.append("a producer that asks for something else")
        if self.within_statements:
            words.append("pauses within statements")
        return ", ".join(words)


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.12g} s"


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


Fault = Callable[[Queue], Queue]
"""A function that returns the queue with a fault: usually, one policy is replaced."""


def guarded(queue: Queue) -> Queue:
    """Put in no fault: the queue is the one that a user has."""
    return queue


def build_queue(store: Store, settings: Settings, fault: Fault) -> Queue:
    """Build the real queue over a store, with the model's settings and a fault."""
    retry = Retry(
        attempts_max=settings.attempts_max,
        backoff_seconds=settings.backoff_ms / 1000,
        backoff_max_seconds=settings.backoff_max_ms / 1000,
        jitter_seed=settings.jitter_seed,
    )
    budget = RetryBudget(retries_max=settings.retries_max, window_seconds=settings.window_ms / 1000)
    breaker = CircuitBreaker(failures_max=settings.failures_max, open_seconds=settings.open_ms / 1000)
    reconcile = Reconciliation(batch=settings.reconcile_batch)
    policies = Policies(retry=retry, budget=budget, breaker=breaker, reconcile=reconcile)
    return fault(Queue(store=store, policies=policies, lease_seconds=settings.lease_ms / 1000))
