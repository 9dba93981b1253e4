"""The limits of retries, broken on purpose in small and plausible ways: each is found.

Some break INV_006; the others only part from the model: what they keep to themselves does no harm in time.
"""

from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Fault, Scope, guarded
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.proof.result import ProofResult
from model.state import Settings
from system.policies import CircuitBreaker, ExternalKeys, Retry, RetryBudget
from system.policies.lease import Lease
from system.queue import Queue
from system.store import Breaker, Execution, Transaction

SCOPE = Scope(settings=Settings(jitter_seed=1, retries_max=1, failures_max=2), tick_seconds=(1,))
LEASES_END = evolve(SCOPE, tick_seconds=(30,))
BOUNDS = Bounds(jobs=2, failures=2, ticks=1)
CRASHES = Bounds(jobs=1, crashes=2, ticks=1)


class OneMore(RetryBudget):
    """Compares with more than it should."""

    def has_room(self, tx: Transaction) -> bool:
        """One retry too many."""
        assert self.retries_max is not None
        return RetryBudget(retries_max=self.retries_max + 1).has_room(tx)


class NotWritten(RetryBudget):
    """Forgets to count."""

    def spend(self, tx: Transaction, retry: Execution) -> None:
        """Write nothing."""


class SpentInSilence(RetryBudget):
    """Counts, and does not write down that the last retry of the window was spent."""

    def spend(self, tx: Transaction, retry: Execution) -> None:
        """Write the retry, and no audit row."""
        del retry
        tx.add_retry(forget_until=tx.now - self._window_ms)


class ShortWindow(RetryBudget):
    """Counts seconds for minutes."""

    def has_room(self, tx: Transaction) -> bool:
        """Of the last second."""
        return RetryBudget(retries_max=self.retries_max, window_seconds=1).has_room(tx)


class NeverOpens(CircuitBreaker):
    """Does not count."""

    def failed(self, tx: Transaction, execution: Execution) -> None:
        """Forget it."""


class OpensLate(CircuitBreaker):
    """Opens at the failure after the one that it should open at."""

    def failed(self, tx: Transaction, execution: Execution) -> None:
        """Count one more."""
        assert self.failures_max is not None
        CircuitBreaker(failures_max=self.failures_max + 1).failed(tx, execution)


class OpensInSilence(CircuitBreaker):
    """Opens, and tells nobody."""

    def failed(self, tx: Transaction, execution: Execution) -> None:
        """Write the breaker, and no audit row."""
        del execution
        failures = tx.breaker().failures + 1
        until = tx.now + 30_000 if failures == self.failures_max else None
        tx.set_breaker(Breaker(failures=failures, open_until_at=until))


class OpensShortly(CircuitBreaker):
    """Opens for a second, and not for as long as it is set to."""

    def failed(self, tx: Transaction, execution: Execution) -> None:
        """With another setting."""
        CircuitBreaker(failures_max=self.failures_max, open_seconds=1).failed(tx, execution)


class CountsFromOneAgain(CircuitBreaker):
    """A probe that fails is the first failure of a new row: it leaves the breaker closed."""

    def failed(self, tx: Transaction, execution: Execution) -> None:
        """Begin again after the failure that opened it."""
        if tx.breaker().failures == self.failures_max:
            tx.set_breaker(Breaker())
        super().failed(tx, execution)


class EveryoneProbes(CircuitBreaker):
    """Half open, it lets all through."""

    def leased(self, tx: Transaction) -> None:
        """Do not wait for the probe."""


class NeverCloses(CircuitBreaker):
    """A success does not count."""

    def finished(self, tx: Transaction, execution: Execution) -> None:
        """Keep the failures."""


class SameForAll(Retry):
    """Its jitter is one number: jobs that failed together come back together."""

    def wait_ms(self, failed: Execution) -> int:
        """As job 1 would."""
        return super().wait_ms(evolve(failed, job_id=1))


class DoublesTwice(Retry):
    """Its backoff is doubled twice, and stays so."""

    def backoff_ms(self, attempt: int) -> int:
        """As after the third attempt, at most."""
        return super().backoff_ms(min(attempt, 3))


def _with(**policies: type) -> Fault:
    def fault(queue: Queue) -> Queue:
        made: dict[str, Any] = {}
        for name, kind in policies.items():
            known = getattr(queue.policies, name)
            made[name] = kind(**{slot: getattr(known, slot) for slot in known.__slots__ if slot[0] != "_"})
        return evolve(queue, policies=evolve(queue.policies, **made))

    return fault


def _proved(fault: Fault, target: Target | None, bounds: Bounds = BOUNDS) -> ProofResult:
    scope = LEASES_END if bounds is CRASHES else SCOPE
    answer = prove(Proof(scope=scope, bounds=bounds, fault=fault, target=target))
    assert answer.complete
    return answer


@pytest.mark.parametrize("bounds", [BOUNDS, CRASHES], ids=["failures", "crashes"])
def test_the_limits_hold_in_every_reachable_state(bounds: Bounds) -> None:
    """Nothing breaks, and the model agrees."""
    assert _proved(guarded, None, bounds).finding is None


@pytest.mark.parametrize(
    ("fault", "bounds", "got"),
    [
        (_with(budget=OneMore), CRASHES, "is retry 2 within 60s, and the budget is 1"),
        (_with(budget=NotWritten), CRASHES, "is retry 2 within 60s, and the budget is 1"),
        (_with(budget=ShortWindow), CRASHES, "is retry 2 within 60s, and the budget is 1"),
        (_with(breaker=NeverOpens), BOUNDS, "after failure 2 in a row, and the breaker is open for 30s"),
        (_with(breaker=OpensShortly), BOUNDS, "after failure 2 in a row, and the breaker is open for 30s"),
        (_with(breaker=OpensLate), BOUNDS, "after failure 2 in a row, and the breaker is open for 30s"),
    ],
    ids=["one more", "not written", "short window", "never opens", "opens shortly", "opens late"],
)
def test_a_limit_that_does_not_hold_breaks_inv_005(fault: Fault, bounds: Bounds, got: str) -> None:
    """It is found without the model, by what was observed."""
    finding = _proved(fault, Target("INV_006"), bounds).finding
    assert finding is not None
    assert finding.got.endswith(got)


@pytest.mark.parametrize(
    "fault",
    [
        _with(breaker=OpensInSilence),
        _with(breaker=EveryoneProbes),
        _with(breaker=NeverCloses),
        _with(retry=SameForAll),
        _with(budget=SpentInSilence),
    ],
    ids=["in silence", "everyone probes", "never closes", "same for all", "spent in silence"],
)
def test_a_limit_that_is_kept_in_another_way_parts_from_the_model(fault: Fault) -> None:
    """What the rows or the audit say is not what they should."""
    finding = _proved(fault, None).finding
    assert finding is not None
    assert finding.invariant is None


def test_a_key_that_counts_attempts_charges_again() -> None:
    """The handler's key must not change with what makes it ask again."""

    class Counted(ExternalKeys):
        def key(self, lease: Lease) -> str:
            return f"{super().key(lease)}-{lease.execution.attempt}"

    scope = Scope(workers=1, settings=Settings(external=True))
    bounds = Bounds(jobs=1, ticks=1, crashes=1)
    fault = _with(external=Counted)
    answer = prove(Proof(scope=scope, bounds=bounds, fault=fault, target=Target("INV_001")))
    assert answer.finding is not None
    assert answer.finding.got == "what 'k1' asks for was charged 2 times"


def test_a_probe_that_fails_opens_the_breaker_again() -> None:
    """A search seldom lets so many handlers fail in a row; a proof of one job has every such state."""
    scope = Scope(workers=1, settings=Settings(failures_max=2))
    bounds = Bounds(jobs=1, failures=3, ticks=2)
    answer = prove(Proof(scope=scope, bounds=bounds, fault=guarded))
    assert (answer.complete, answer.finding, answer.counts.states) == (True, None, 181)
    assert (
        prove(Proof(scope=scope, bounds=bounds, fault=_with(breaker=CountsFromOneAgain))).finding is not None
    )
    fewer = Proof(scope=scope, bounds=evolve(bounds, failures=2), fault=_with(breaker=CountsFromOneAgain))
    assert prove(fewer).finding is None


def test_the_backoff_doubles_after_each_attempt() -> None:
    """With as many attempts as usual the last backoff is the third one, which nothing waits for."""
    scope = Scope(workers=1, settings=Settings(attempts_max=5), tick_seconds=(4,))
    proof = Proof(scope=scope, bounds=Bounds(jobs=1, failures=4, ticks=3), fault=guarded)
    answer = prove(proof)
    assert (answer.complete, answer.finding, answer.counts.states) == (True, None, 267)
    broken = evolve(proof, fault=_with(retry=DoublesTwice))
    assert prove(broken).finding is not None
    assert prove(evolve(broken, scope=evolve(scope, settings=Settings()))).finding is None
