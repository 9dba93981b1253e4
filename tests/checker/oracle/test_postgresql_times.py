"""Two operations at once, under limits: one is stopped before each of its statements while the other runs.

An operation may wait for a lock, and go on long after it began. It must use a time that it reads once it has
the lock: a time that it read before may be earlier than the last change to what is locked.
"""

from itertools import product

import pytest

from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, StoreKind, guarded
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.simulation.stepping import PausePoint
from model.actions import PRODUCER, RECONCILER, Action, Crash, Enqueue, Fail, Heartbeat, Reconcile, Step, Tick
from model.state import Settings
from tests.checker.traces.test_regressions import reads_once

SCOPE = Scope(
    granularity=Granularity.STATEMENT,
    store=StoreKind.POSTGRESQL,
    settings=Settings(retries_max=2, failures_max=2),
)
STOPPED = ("lease", "start", "heartbeat", "commit", "finish", "fail", "reconcile")
MEANWHILE = {"lease": 30, "reconcile": 30, "finish": 1, "fail": 1}
"""What runs meanwhile, and how many seconds pass before that: leases run out, or do not."""

COMMITS_BEFORE = {"lease": 1, "start": 1, "heartbeat": 2, "commit": 2, "finish": 3, "fail": 2, "reconcile": 1}
BEGINS: dict[str, type[Fail] | type[Heartbeat]] = {"fail": Fail, "heartbeat": Heartbeat}


class Race:
    """Two operations, each brought to its beginning: of A and of B, or of the reconciler in their place."""

    def __init__(self, lockstep: Lockstep, *operations: str) -> None:
        self._lockstep = lockstep
        self._ahead: dict[str, Action] = {}
        prepared = list(zip("AB", operations, strict=True))
        for name, operation in sorted(prepared, key=lambda one: one[1] not in ("lease", "reconcile")):
            self._prepare(name, operation)
        self.first, self.second = [
            RECONCILER if operation == "reconcile" else name for name, operation in prepared
        ]

    def _prepare(self, name: str, operation: str) -> None:
        """Who leases or recovers finds a job that a dead worker left; the others have one of their own."""
        lockstep = self._lockstep
        lockstep.apply(Enqueue(key=f"k{name}"))
        while not lockstep.rests(PRODUCER):
            lockstep.apply(Step(worker=PRODUCER))
        for _ in range(COMMITS_BEFORE[operation]):
            while not lockstep.apply(Step(worker=name)).committed:
                pass
        if operation in ("lease", "reconcile"):
            lockstep.apply(Crash(worker=name))
            lockstep.apply(Tick(seconds=30))
        while (
            operation not in ("lease", "reconcile")
            and lockstep.world.processes[name].at is PausePoint.COMMITTED
        ):
            lockstep.apply(Step(worker=name))
        if operation == "reconcile":
            self._ahead[RECONCILER] = Reconcile()
        else:
            self._ahead[name] = BEGINS.get(operation, Step)(worker=name)

    def is_over(self, name: str) -> bool:
        """Whether the operation has been committed."""
        return name not in self._ahead

    def moves(self, name: str) -> bool:
        """One statement of it. False if it waits for a lock, or is over."""
        action = self._ahead.get(name)
        if action is None or not self._lockstep.possible(action):
            return False
        if self._lockstep.apply(action).committed:
            del self._ahead[name]
        else:
            self._ahead[name] = Step(worker=name)
        return True


def _raced(fault: Fault, first: str, second: str, statements: int) -> bool:
    """Stop the first before that statement of it. Returns whether it has so many."""
    with Lockstep(SCOPE, fault) as lockstep:
        race = Race(lockstep, first, second)
        for _ in range(statements):
            race.moves(race.first)
        if race.is_over(race.first):
            return False
        lockstep.apply(Tick(seconds=MEANWHILE[second]))
        while race.moves(race.second):
            pass
        while race.moves(race.first) or race.moves(race.second):
            pass
        assert race.is_over(race.first)
        assert race.is_over(race.second)
        return True


def _all_raced(fault: Fault, first: str, second: str) -> None:
    statements = 0
    while _raced(fault, first, second, statements):
        statements += 1
    assert statements > 1


@pytest.mark.parametrize(("first", "second"), list(product(STOPPED, MEANWHILE)))
def test_no_operation_uses_a_time_that_is_over(first: str, second: str) -> None:
    """Wherever it is stopped, whatever happens meanwhile: the model does the same at a time after that."""
    _all_raced(guarded, first, second)


@pytest.mark.parametrize(("first", "second"), [("fail", "fail"), ("lease", "reconcile")])
def test_a_transaction_that_reads_the_time_once_does_not_pass(first: str, second: str) -> None:
    """Of two failures the one that is counted last is not the later; a lease is before what it follows."""
    with pytest.raises(Found, match="accepted"):
        _all_raced(reads_once, first, second)
