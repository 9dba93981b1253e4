"""Traces that once broke the queue itself, with no fault put in: each is replayed on the guarded system.

They are no failure modes. The invariants judge a change by the time that its transaction read, so they do not
see that this time is too early; the model does: it rejects a time before the last change to what the
transaction touched. For each trace the mistake that it was found with is made again here.
"""

import re
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.scope import Fault, guarded
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.lockstep import run_actions
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace import Trace, to_json
from failure_modes.checker.traces.trace_reader import load
from model.actions import Step, Tick
from system.clock import ManualClock
from system.policies import Leasing
from system.policies.lease import Lease, LeasePolicies
from system.queue import Queue
from system.store import Breaker, Job, Store
from tests.checker.oracle.test_breakages import transactions

FOLDER = Path(__file__).parent / "regressions"


class GoesOn(Leasing):
    """A lease that gives a job up looks for the next one in the same transaction."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Look until there is a job to hand out, or none at all."""
        with store.transaction() as tx:
            while job := tx.next_available(retries=policies.budget.has_room(tx)):
                attempt = self._attempt(tx, policies, job, worker)
                if attempt is not None:
                    return self._leased(tx, policies, job, attempt, worker=worker, lease_ms=lease_ms)
            return None


def reads_once(queue: Queue) -> Queue:
    """A transaction reads the time once: a lease when it begins, another when it has locked its job."""
    from system.postgresql import PostgreSQLTransaction

    class ReadsOnce(PostgreSQLTransaction):
        def next_available(self, *, retries: bool) -> Job | None:
            self._keep_time()
            job = super().next_available(retries=retries)
            self._keep_time()
            return job

        def _rows(self, sql: str, *values: object) -> list[Any]:
            if "SKIP LOCKED" in sql and "now_at" in sql:
                sql = re.sub("(statement|clock)_timestamp", "transaction_timestamp", sql)
            return super()._rows(sql, *values)

        def _keep_time(self) -> None:
            if self._now is not None and self._clock is None:
                self._clock = ManualClock(self._now)

        def breaker(self) -> Breaker:
            known, row = self._now, super().breaker()
            self._now = self._now if known is None else known
            return row

    return transactions(ReadsOnce)(queue)


def goes_on(queue: Queue) -> Queue:
    """The lease as it was when the trace was found."""
    queue = reads_once(queue)
    return evolve(queue, policies=evolve(queue.policies, lease=GoesOn()))


MISTAKES: dict[str, Fault] = {
    "leased_before_the_last_change": goes_on,
    "looked_before_the_last_change": reads_once,
    "opened_before_the_last_failure": reads_once,
}
KEPT = [(path.stem, load(path)) for path in sorted(FOLDER.glob("*.json"))]
EACH = pytest.mark.parametrize(("name", "trace"), KEPT, ids=[name for name, _ in KEPT])


def test_each_has_its_mistake() -> None:
    """There is a trace for each, and none without one."""
    assert [name for name, _ in KEPT] == sorted(MISTAKES)


@EACH
def test_it_holds_on_the_guarded_system(name: str, trace: Trace) -> None:
    """What was wrong once is right for ever."""
    del name
    replayed = replay(trace, guarded=True)
    assert replayed.as_expected, rendered(replayed)


@EACH
def test_it_breaks_where_the_mistake_is_made_again(name: str, trace: Trace) -> None:
    """The trace still leads to the danger: the model takes no operation that read a time before that."""
    replayed = replay(trace, control=MISTAKES[name])
    assert replayed.as_expected, rendered(replayed)
    assert replayed.finding is not None
    assert replayed.finding.expected == "rejected (the operation read a time before the last change)"


@EACH
def test_it_is_written_as_it_would_be_written_now(name: str, trace: Trace) -> None:
    """The file is in the one form there is."""
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == to_json(trace)


def test_a_breaker_that_opens_too_shortly_lets_a_lease_through() -> None:
    """Without the model INV_006 says so, once someone leases a job: 20 s after the last failure, not 30."""
    [trace] = [trace for name, trace in KEPT if name == "opened_before_the_last_failure"]
    later = (*trace.actions, Tick(seconds=20), *[Step(worker="A")] * 20)
    for fault, got in (
        (reads_once, "exec-3 was leased 20s after failure 2 in a row, and the breaker is open for 30s"),
        (guarded, None),
    ):
        found = run_actions(trace.scope, fault, Target("INV_006"), later)
        assert (found and found.finding.got) == got
