"""Settings at random: a constant in the place of a setting shows, and so do two settings that are swapped.

All is a function of a seed and a number, and of nothing else. Each drawn time is another one, and none is the
default of a setting. The budget and the breaker are there alone, together, or not at all, in turn: the lock
of one hides that the other has none.
"""

import random

from attrs import evolve

from failure_modes.checker.experiment.scope import Granularity, Scope, StoreKind
from model.state import Settings

TIMES_MS = (2_002, 3_001, 5_003, 7_001, 11_002, 13_003)
"""None is the default of a setting, and none is the double of another. None is in whole seconds, and a
thousandth of the first, times a thousand, is a little less than it: a time that is cut off shows."""

ATTEMPTS = (2, 4)
LIMITS = (1, 2, 3)
BATCHES = (1, 2)
RECONCILERS = (1, 2)
OF_WORKERS = (None, 1, 3)
JITTER_MAX = 9

_LIMITED = ((True, False), (False, True), (True, True), (False, False))
"""Whether there is a budget, and whether there is a breaker."""


def drawn(scope: Scope, seed: int, number: int) -> Scope:
    """The scope with settings that are drawn from the seed. `number` (0, 1, …) is that of the drawing."""
    chance = random.Random(f"{seed}:{number}")
    budget, breaker = _LIMITED[number % len(_LIMITED)]
    settings = _settings(chance, budget=budget, breaker=breaker)
    reconcilers, of_workers = chance.choice(RECONCILERS), chance.choice(OF_WORKERS)
    overlaps = scope.store is StoreKind.POSTGRESQL and scope.granularity is Granularity.STATEMENT
    within = overlaps and (scope.within_statements or chance.choice((False, True)))
    settings = evolve(settings, fused=chance.choice((False, True)))
    differ = scope.granularity is Granularity.TRANSACTION and chance.choice((False, True))
    if within:  # a batch leaves out jobs by the order in a snapshot, which the model does not have
        settings = evolve(settings, reconcile_batch=Settings().reconcile_batch)
    return evolve(
        scope,
        settings=settings,
        within_statements=within,
        reconcilers=reconcilers,
        worker_attempts_max=of_workers,
        payloads_differ=differ,
    )


def with_all_limits(seed: int, number: int) -> Settings:
    """Settings at random under which every policy has something to do."""
    chance = random.Random(f"{seed}:{number}")
    limited = _settings(chance, budget=True, breaker=True)
    return evolve(limited, jitter_seed=chance.randint(1, JITTER_MAX), external=True)


def _settings(chance: random.Random, *, budget: bool, breaker: bool) -> Settings:
    lease, window, opened, *backoffs = chance.sample(TIMES_MS, 5)
    attempts = chance.choice(ATTEMPTS)
    retries, failures = chance.sample([limit for limit in LIMITS if limit != attempts], 2)
    return Settings(
        lease_ms=lease,
        attempts_max=attempts,
        backoff_ms=min(backoffs),
        backoff_max_ms=max(backoffs),
        jitter_seed=chance.choice((None, chance.randint(1, JITTER_MAX))),
        retries_max=retries if budget else None,
        window_ms=window,
        failures_max=failures if breaker else None,
        open_ms=opened,
        external=chance.choice((False, False, False, True)),
        reconcile_batch=chance.choice(BATCHES),
    )


def without_pauses_in_batches(scope: Scope) -> Scope:
    """The scope without pauses within statements, if it has batches that the model does not know then."""
    if scope.settings.reconcile_batch == Settings().reconcile_batch:
        return scope
    return evolve(scope, within_statements=False)
