"""The port is one: a queue that is not ours is stepped, searched, shrunk, replayed, and walked through.

It has one table, no audit, no producer and no model, and two invariants of its own judge it. See
`tests/subjects/`.
"""

from collections import deque

import pytest

from failure_modes.checker.experiment.findings import Violation
from failure_modes.checker.experiment.granularity import Granularity
from failure_modes.checker.oracle.run import play
from failure_modes.checker.search.search import run
from failure_modes.checker.simulation.content import Unexplorable
from failure_modes.checker.simulation.disk.vfs import require
from failure_modes.checker.simulation.power_loss_world import PowerLossWorld
from model.actions import Action, Crash, Step
from tests.subjects.judged import IN_VAIN, NONE_LOST, ONE_OWNER, WAITED, Reached, TasksRun, TasksSearch
from tests.subjects.one_table import (
    WORKERS,
    InOneStatement,
    InOneTransaction,
    KeptByTheDead,
    OneTable,
    Tasks,
)

TRANSACTION, STATEMENT = Granularity.TRANSACTION, Granularity.STATEMENT
BOTH = pytest.mark.parametrize("granularity", list(Granularity))
A = Step(worker="A")
ALPHABET: tuple[Action, ...] = (
    *[Step(worker=name) for name in WORKERS],
    *[Crash(worker=name) for name in WORKERS],
)
SHORTEST = {TRANSACTION: 6, STATEMENT: 12}
"""Each worker gives back, looks and takes. Statement by statement each pauses after its commits, too."""

STATES = {
    (InOneStatement, TRANSACTION): 92,
    (InOneStatement, STATEMENT): 341,
    (InOneTransaction, TRANSACTION): 92,
    (InOneTransaction, STATEMENT): 1_015,
}
"""The actions of the exhaustive search, with its largest number of crashes."""

Trace = tuple[Action, ...]


def _walk(
    subject: OneTable, granularity: Granularity, *, ending: bool = True
) -> tuple[Violation | None, int]:
    """Visit every reachable state, breadth first. Returns the first violation and the number of states.

    A state is judged as soon as it is reached, with its `ending`, so the first violation is a shortest one.
    """
    one = TasksRun(subject, granularity, restorable=True)
    coming: deque[tuple[Reached, Trace]] = deque([(one.snapshot(), ())])
    seen = {coming[0][0]}
    try:
        while coming:
            there, trace = coming.popleft()
            for action in ALPHABET:
                one.restore(there, trace)
                if not one.possible(action):
                    continue
                one.apply(action)
                after = one.snapshot()
                if after not in seen:
                    seen.add(after)
                    coming.append((after, (*trace, action)))
                    if ending:
                        one.finish()
        return None, len(seen)
    except Violation as violation:
        return violation, len(seen)
    finally:
        one.close()


@BOTH
def test_the_search_finds_that_two_workers_take_one_task(granularity: Granularity) -> None:
    """The minimised trace is as short as the exhaustive search finds, and breaks the same invariant."""
    search = TasksSearch(
        subject=OneTable(), granularity=granularity, seed=0, examples=300, needs_ending=False
    )
    result = run(search)
    assert result.finding is not None
    assert (result.finding.invariant, result.finding.step) == (ONE_OWNER, SHORTEST[granularity])
    assert len(result.actions) == SHORTEST[granularity]
    again = play(search.begin(), result.actions, ending=False)
    assert again.found is not None
    assert (again.found.finding, again.found.actions, again.skipped) == (result.finding, result.actions, ())
    shortest, _ = _walk(OneTable(), granularity, ending=False)
    assert shortest is not None
    assert (shortest.finding.invariant, len(shortest.actions)) == (ONE_OWNER, SHORTEST[granularity])


@pytest.mark.parametrize(("queue", "granularity"), STATES)
def test_a_correct_take_holds_when_workers_meet(queue: type[Tasks], granularity: Granularity) -> None:
    """The search finds nothing although workers meet, and no reachable state breaks an invariant."""
    result = run(TasksSearch(subject=OneTable(queue), granularity=granularity, seed=0, examples=100))
    assert result.finding is None
    met = result.statistics.sometimes
    assert met[IN_VAIN] >= 20, met
    if granularity is STATEMENT and queue is InOneTransaction:
        assert met[WAITED] >= 20, met
    assert _walk(OneTable(queue), granularity) == (None, STATES[queue, granularity])


@BOTH
def test_the_search_finds_that_a_dead_worker_keeps_its_task(granularity: Granularity) -> None:
    """The search finds a lost task, which is judged when the run is finished."""
    search = TasksSearch(subject=OneTable(KeptByTheDead), granularity=granularity, seed=0, examples=300)
    result = run(search)
    assert result.finding is not None
    assert (result.finding.invariant, result.finding.step) == (NONE_LOST, None)
    assert result.actions == (A, Crash(worker="A"))


def test_a_crash_in_the_midst_of_a_transaction_undoes_it() -> None:
    """A crash in a transaction of the tiny queue rolls the transaction back."""
    one = TasksRun(OneTable(InOneTransaction), STATEMENT)
    owners = "SELECT owner FROM tasks ORDER BY id"
    process = one.world.processes["A"]
    while "UPDATE tasks SET owner = ?" not in [ran.sql[:26] for ran in process.step.statements]:
        one.apply(A)
    assert process.in_transaction
    one.apply(Crash(worker="A"))
    assert one.world.database.observer.execute(owners).fetchall() == [(None,), (None,)]
    one.close()


class Counting(InOneStatement):
    """A queue that counts its calls in memory."""

    asked = 0

    def take(self, worker: str) -> int | None:
        """Count the call, and take a task."""
        self.asked += 1
        return super().take(worker)


def test_a_foreign_queue_with_memory_is_refused() -> None:
    """A queue that keeps something in memory is refused: its worker at rest differs from a new one."""
    with pytest.raises(Unexplorable, match="keeps something in memory"):
        _walk(OneTable(Counting), TRANSACTION)


class GivesBackOnce(InOneStatement):
    """A queue that frees tasks only when it is made."""

    def __init__(self, connection: object) -> None:
        super().__init__(connection)
        self.connection.execute("UPDATE tasks SET owner = NULL WHERE owner IS NULL")


def test_work_before_the_first_rest_is_refused() -> None:
    """The explorer refuses a worker that does something before its first rest, and never again."""
    with pytest.raises(Unexplorable, match="does something before it first rests"):
        _walk(OneTable(GivesBackOnce), TRANSACTION)


def test_power_loss_works_for_a_foreign_queue() -> None:
    """With SQLite's defaults the removal of the journal is not synced, so a power loss undoes the commit."""
    require()
    world = PowerLossWorld(OneTable(InOneStatement))
    worker = world.processes["A"]
    finished = "SELECT finished FROM tasks WHERE id = 1"
    while not world.database.observer.execute(finished).fetchone()[0]:
        worker.resume(A)
    assert world.lose_power() == 0
    assert worker.at_rest
    assert world.database.observer.execute(finished).fetchone() == (0,)
    world.close()
