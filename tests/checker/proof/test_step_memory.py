"""A step that is remembered by the rows that it read does what the real step does."""

import random

import pytest
from attrs import evolve, frozen

from failure_modes.checker.experiment.bounds import NOTHING_SPENT, Bounds
from failure_modes.checker.experiment.scope import Fault, Scope, guarded
from failure_modes.checker.proof import remembered_system, step_memory
from failure_modes.checker.proof.alphabet import Alphabet
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.proof.result import Disagreement
from failure_modes.checker.proof.seen_step import EVERY, Read, Reads
from failure_modes.checker.proof.state_change import DeadEnd, StateChange
from failure_modes.checker.proof.step_memory import StepMemory, changes_between, with_changes
from failure_modes.checker.proof.step_reads import StepReads
from failure_modes.checker.proof.successors import Successors
from failure_modes.checker.simulation.stepping import NotDeterministic, Row
from failure_modes.checker.subject.abstraction import read_rows
from model.actions import Action, Enqueue, Reconcile, Step, Tick
from model.state import Settings
from system.audit import EventKind, Operation
from system.policies import CommitBoundary, Fence
from system.queue import Queue
from system.sqlite import SQLiteTransaction
from system.store import Execution, Job, Status, Store
from tests.checker.oracle.test_breakages import transactions

BOUNDS = Bounds(jobs=2, ticks=2, crashes=1, failures=1, heartbeats=1, reconciles=1, retries=1)
SETTINGS = (Settings(), Settings(external=True), Settings(retries_max=1, failures_max=1))


@frozen
class BlindCommit(CommitBoundary):
    """Writes the effect without a look at what is there, so that only the schema refuses a second one."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Insert the effect, and commit."""
        del fence
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
            to, actor = Status.COMMITTED, execution.worker
            tx.move(execution, to=to, event=EventKind.COMMITTED, operation=Operation.COMMIT, actor=actor)
            tx.set_available(execution.job_id, None)
            return True


def _blind(queue: Queue) -> Queue:
    return evolve(queue, policies=evolve(queue.policies, commit=BlindCommit()))


def _leave_out_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each step remembered that can be."""
    monkeypatch.setattr(remembered_system, "CHECKED_FIRST", 0)
    monkeypatch.setattr(remembered_system, "CHECKED_EVERY", 10**9)


def _what_it_did(change: StateChange | DeadEnd) -> object:
    if isinstance(change, DeadEnd):
        return change
    return (
        change.content,
        change.durable,
        change.elapsed_ms,
        change.process,
        change.events,
        change.faults,
        change.worker,
        change.released,
        change.committed,
    )


@pytest.mark.parametrize("settings", SETTINGS, ids=["plain", "gateway", "limits"])
@pytest.mark.parametrize("fault", [guarded, _blind], ids=["guarded", "blind commit"])
def test_a_remembered_step_does_what_the_real_step_does(
    fault: Fault, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On random walks each step has the same rows, events, answers and process as one that is really taken.

    The values of the model that are made of the content are those that the store reads.
    """
    _leave_out_checks(monkeypatch)
    scope = Scope(workers=2, settings=settings)
    alphabet = Alphabet(scope, BOUNDS)
    remembering, real = Successors(scope, fault, None), Successors(scope, fault, None, memory=False)
    world = real.lockstep.world
    taken = 0
    for seed in range(12):
        chance, there, also, spent = random.Random(seed), remembering.start, real.start, NOTHING_SPENT
        for _ in range(50):
            action, spent = chance.choice(alphabet.possible(there.system.processes, spent))
            change, really = remembering.step(there, action), real.step(also, action)
            taken += 1
            assert _what_it_did(change) == _what_it_did(really)
            if isinstance(change, DeadEnd) or isinstance(really, DeadEnd):
                break
            world.content.write_pending()
            assert really.durable == read_rows(world.database.observer, world.gateway)
            there, also = (
                remembering.after(there, action, change),
                real.after(also, action, really),
            )
    assert real.real_steps == taken
    assert remembering.real_steps < taken / 2
    remembering.close()
    real.close()


def test_the_first_remembered_steps_are_checked_and_then_one_in_so_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such a step is really taken again; no other is."""
    monkeypatch.setattr(remembered_system, "CHECKED_FIRST", 3)
    monkeypatch.setattr(remembered_system, "CHECKED_EVERY", 5)
    walker, action = Successors(Scope(workers=1), guarded, None), Tick(seconds=1)
    there, taken = walker.start, []
    for _ in range(12):
        before = walker.real_steps
        change = walker.step(there, action)
        assert not isinstance(change, DeadEnd)
        there = walker.after(there, action, change)
        taken.append(walker.real_steps - before)
    walker.close()
    assert taken == [1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 1, 0]


def _reads_of_last(fault: Fault, actions: tuple[Action, ...]) -> Reads:
    walker = Successors(Scope(workers=1), fault, None)
    there = walker.start
    for action in actions:
        change = walker.step(there, action)
        assert not isinstance(change, DeadEnd)
        there = walker.after(there, action, change)
    walker.close()
    assert walker.last is not None
    return walker.last.reads


def test_a_write_depends_on_the_rows_that_could_refuse_it() -> None:
    """A commit that reads no effect depends on those of its job: the schema allows one effect."""
    actions: tuple[Action, ...] = (Enqueue(key="k1"), *[Step(worker="A")] * 3)
    assert ("effects", "job_id", 1) in _reads_of_last(_blind, actions)


class _WritesTwice(SQLiteTransaction):
    """A new job has another key for a while."""

    def add_job(self, *, key: str | None, payload_json: str, attempts_max: int) -> Job:
        job = super().add_job(key=key, payload_json=payload_json, attempts_max=attempts_max)
        for value in ("another", key):
            self._run("UPDATE jobs SET key = ? WHERE id = ?", value, job.id)
        return job


def test_a_row_that_is_written_twice_depends_on_all_rows_of_its_table() -> None:
    """Any of them could have refused the values that it had in between."""
    added = (Enqueue(key="k1"),)
    assert ("jobs", None, None) not in _reads_of_last(guarded, added)
    assert ("jobs", None, None) in _reads_of_last(transactions(_WritesTwice), added)


def test_a_lease_depends_on_all_jobs_and_on_the_last_id() -> None:
    """It looks for a due job among all, and adds an execution with the next id."""
    reads = _reads_of_last(guarded, (Enqueue(key="k1"), Step(worker="A")))
    assert {("jobs", None, None), ("sqlite_sequence", "name", "executions")} <= reads


def test_a_reconciliation_depends_on_the_open_executions_and_on_the_presence_of_jobs() -> None:
    """It does not depend on an execution that has ended, nor on another column of a job."""
    reads = _reads_of_last(guarded, (Enqueue(key="k1"), Step(worker="A"), Reconcile()))
    of_open = frozenset({Status.LEASED, Status.IN_PROGRESS, Status.COMMITTED})
    assert reads == {("executions", "status", of_open), ("jobs", "id", EVERY)}


@pytest.mark.parametrize(
    ("read", "same", "other"),
    [
        (("jobs", "id", EVERY), ((1, "b"), (2, "a")), ((1, "a"),)),
        (("jobs", "key", frozenset({"a", "c"})), ((1, "a"), (2, "d")), ((1, "a"), (2, "c"))),
        (("jobs", "key", "a"), ((1, "a"), (2, "c")), ((1, "a"), (2, "a"))),
        (("jobs", None, None), ((1, "a"), (2, "b")), ((1, "a"), (2, "c"))),
    ],
    ids=["every value", "some values", "one value", "all rows"],
)
def test_a_step_is_found_where_the_rows_that_it_read_are_the_same(
    read: Read, same: tuple[Row, ...], other: tuple[Row, ...]
) -> None:
    """It is not found where one of these rows differs, and found where only others do."""
    walker = Successors(Scope(workers=1), guarded, None)
    walker.step(walker.start, Enqueue(key="k1"))
    walker.close()
    assert walker.last is not None
    seen = evolve(walker.last, reads=frozenset([read]), read_clock=False)
    memory = StepMemory({"jobs": ("id", "key")})
    memory.add(("step",), None, seen, (("jobs", ((1, "a"), (2, "b"))),), 0)
    assert memory.find(("step",), (("jobs", same),), 0) is seen
    assert memory.find(("step",), (("jobs", other),), 0) is None


def test_each_question_has_an_answer_of_its_own() -> None:
    """Two steps of one content read other tables; elsewhere only one of these tables is the same."""
    walker = Successors(Scope(workers=1), guarded, None)
    walker.step(walker.start, Enqueue(key="k1"))
    walker.close()
    assert walker.last is not None
    memory, rows = StepMemory({"jobs": ("id",), "effects": ("id",)}), ((1,),)
    for table in ("jobs", "effects"):
        seen = evolve(walker.last, reads=frozenset([(table, None, None)]), read_clock=False)
        memory.add((table,), None, seen, (("jobs", rows), ("effects", rows)), 0)
    elsewhere = (("jobs", rows), ("effects", ()))
    assert memory.find(("jobs",), elsewhere, 0) is not None
    assert memory.find(("effects",), elsewhere, 0) is None


def test_equal_reads_stay_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers of a content are known by it, so it must not be freed when the steps are forgotten."""
    monkeypatch.setattr(step_memory, "STEPS_MAX", 1)
    walker = Successors(Scope(workers=1), guarded, None)
    walker.step(walker.start, Enqueue(key="k1"))
    walker.close()
    assert walker.last is not None
    memory, kept = StepMemory({"jobs": ("id", "key")}), set()
    for number in range(3):
        reads: Reads = frozenset([("jobs", "id", EVERY)])
        memory.add((number,), None, evolve(walker.last, reads=reads), (("jobs", ((1, "a"),)),), 0)
        kept.add(id(vars(memory)["_sets"][reads]))
    assert len(kept) == 1


@pytest.mark.parametrize("checks", [True, False], ids=["checks", "no checks"])
@pytest.mark.parametrize("table", ["jobs", "executions"])
def test_a_memory_that_overlooks_a_table_is_caught(
    table: str, monkeypatch: pytest.MonkeyPatch, *, checks: bool
) -> None:
    """If no step depends on that table, states are lost, or a step is remembered that differs.

    The checks see it at once. Without them the counts do. In the guarded queue the executions of a job say
    all that its effect says.
    """
    of = StepReads.of

    def overlooking(self: StepReads, *arguments: object) -> Reads:
        reads: Reads = of(self, *arguments)  # type: ignore[arg-type]
        return frozenset([read for read in reads if read[0] != table])

    proof = Proof(
        scope=Scope(workers=2), bounds=Bounds(jobs=1, ticks=1, crashes=1, failures=1), fault=guarded
    )
    assert _counted(proof) == _counted(evolve(proof, reductions=Reductions(rows=False)))
    monkeypatch.setattr(StepReads, "of", overlooking)
    if not checks:
        _leave_out_checks(monkeypatch)
    with pytest.raises(NotDeterministic if checks else (AssertionError, Disagreement, KeyError)):
        assert _counted(proof) == _counted(evolve(proof, reductions=Reductions(rows=False)))


def _counted(proof: Proof) -> tuple[int, int]:
    """How many states and transitions there are in all."""
    result = prove(proof)
    assert (result.complete, result.finding) == (True, None)
    return result.counts.states, result.counts.transitions


def test_the_changes_between_two_contents_lead_from_one_to_the_other() -> None:
    """Rows that were added, changed and removed, in one table of two."""
    jobs: tuple[Row, ...] = ((1, "a"), (2, "b"), (4, "d"))
    later: tuple[Row, ...] = ((1, "a"), (2, "c"), (3, "e"))
    other: tuple[Row, ...] = ((7, "x"),)
    before, after = (("other", other), ("job", jobs)), (("other", other), ("job", later))
    changes = changes_between(before, after)
    assert [place for place, _ in changes] == [1]
    assert with_changes(before, changes) == after
    assert with_changes(after, changes_between(after, before)) == before
    assert changes_between(before, before) == ()
