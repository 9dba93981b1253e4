"""The scope of a run: what must be known, besides the actions, to run a trace again."""

from collections.abc import Callable
from enum import StrEnum

from attrs import field, frozen, validators

from failure_modes.checker.experiment.granularity import Granularity as Granularity
from model.state import Settings
from system.policies import CircuitBreaker, Policies, Retry, RetryBudget
from system.queue import Queue
from system.store import Store

WORKER_NAMES = "ABCDEFGH"


class StoreKind(StrEnum):
    """Which database the real queue runs on."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


@frozen(kw_only=True)
class Scope:
    """`workers` virtual workers, named A, B, …, under the model's `settings`."""

    workers: int = field(default=2, validator=[validators.ge(1), validators.le(len(WORKER_NAMES))])
    granularity: Granularity = Granularity.TRANSACTION
    settings: Settings = field(factory=Settings)
    store: StoreKind = StoreKind.SQLITE
    power_loss: bool = False
    """Whether writes and syncs are recorded, so that power may fail."""
    constraints: bool = True
    """Whether the schema has its unique indexes. They refuse some faults, and then nothing breaks."""

    @property
    def names(self) -> tuple[str, ...]:
        """The workers' names."""
        return tuple(WORKER_NAMES[: self.workers])

    @property
    def told(self) -> str:
        """The workers, and what is not as usual, in words: `2 workers, 1 retry in 60 s`."""
        settings, usual = self.settings, Settings()
        words = [_counted(self.workers, "worker", "workers")]
        if settings.attempts_max != usual.attempts_max:
            words.append(f"{_counted(settings.attempts_max, 'attempt', 'attempts')} a job")
        if settings.jitter_seed is not None:
            words.append("backoff with jitter")
        if settings.retries_max is not None:
            retries = _counted(settings.retries_max, "retry", "retries")
            words.append(f"{retries} in {settings.window_ms / 1000:g} s")
        if settings.failures_max is not None:
            words.append(f"a breaker that opens at failure {settings.failures_max}")
        if settings.external:
            words.append("handlers that call a gateway")
        if not self.constraints:
            words.append("no unique indexes")
        return ", ".join(words)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


Swap = Callable[[Queue], Queue]
"""Puts a fault into a queue, from outside: it replaces a policy, or more."""


def guarded(queue: Queue) -> Queue:
    """No fault: the queue as a user has it."""
    return queue


def build_queue(store: Store, settings: Settings, swap: Swap) -> Queue:
    """The real queue over a store, with the model's settings."""
    retry = Retry(
        attempts_max=settings.attempts_max,
        backoff_seconds=settings.backoff_ms / 1000,
        backoff_max_seconds=settings.backoff_max_ms / 1000,
        jitter_seed=settings.jitter_seed,
    )
    budget = RetryBudget(retries_max=settings.retries_max, window_seconds=settings.window_ms / 1000)
    breaker = CircuitBreaker(failures_max=settings.failures_max, open_seconds=settings.open_ms / 1000)
    policies = Policies(retry=retry, budget=budget, breaker=breaker)
    return swap(Queue(store=store, policies=policies, lease_seconds=settings.lease_ms / 1000))
