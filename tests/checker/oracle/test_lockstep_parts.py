"""The parts of a run in lock-step: each gives and takes a frozen value, and has a matter of its own."""

import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import pytest
from attrs import evolve

from failure_modes.checker.experiment.findings import Divergence, Violation
from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle import lockstep as lockstep_module
from failure_modes.checker.oracle.judge import Judge
from failure_modes.checker.oracle.ledger import Ledger, LedgerSnapshot
from failure_modes.checker.oracle.lockstep import Lockstep, Snapshot
from failure_modes.checker.oracle.sometimes import ANYWHERE, AT_STATEMENTS, SOMEWHERE, unknown_of
from failure_modes.checker.simulation.stepping import NotDeterministic
from failure_modes.checker.subject.worlds import world_of
from model.actions import (
    PRODUCER,
    Action,
    ClockBack,
    Crash,
    Enqueue,
    Fail,
    Rollback,
    Step,
    ThreadHeartbeat,
    Tick,
)
from model.invariants import Ending, InjectedFault
from model.state import Durable, Settings

ROOM = Path(lockstep_module.__file__).parent
WORK: tuple[Action, ...] = (Enqueue(key="k1"), *[Step(worker="A")] * 3)
"""A job is accepted, leased, started and committed."""


def _files_entered(lockstep: Lockstep, action: Action) -> Counter[str]:
    """How many calls into each file of the oracle one action makes."""
    entered: Counter[str] = Counter()

    def note(frame: FrameType, event: str, argument: object) -> None:
        del argument
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.parent == ROOM:
            entered[path.stem] += 1

    sys.setprofile(note)
    try:
        lockstep.apply(action)
    finally:
        sys.setprofile(None)
    return entered


def test_a_committing_step_has_a_short_way_through_the_oracle() -> None:
    """It enters six files, and four functions of lock-step: take, judge, and two comparisons."""
    with Lockstep(Scope()) as lockstep:
        for action in WORK[:-1]:
            lockstep.apply(action)
        entered = _files_entered(lockstep, WORK[-1])
        assert lockstep.ledger.records[-1].committed
    assert set(entered) == {"lockstep", "system_side", "visibility", "reference", "ledger", "judge"}
    assert entered["lockstep"] <= 4


def _restored(lockstep: Lockstep, snapshot: Snapshot) -> Snapshot:
    """Restore the run. Returns what it is now, with the system, the state and the ledger of the snapshot."""
    lockstep.restore(snapshot)
    again = lockstep.snapshot()
    assert (again.system, again.state) == (snapshot.system, snapshot.state)
    assert again.ledger == snapshot.ledger
    return again


def test_a_run_that_is_restored_is_where_it_was() -> None:
    """Every part gives the value again that it was given, whatever the run did in between."""
    scope = Scope()
    with Lockstep(scope, world=world_of(scope, guarded, restorable=True)) as lockstep:
        for action in (*WORK, Enqueue(key="k1"), Enqueue(key="k2")):
            lockstep.apply(action)
        before = lockstep.snapshot()
        b = Step(worker="B")
        for action in (Crash(worker="A"), b, b, Fail(worker="B"), Enqueue(key="k3")):
            lockstep.apply(action)
        after = lockstep.snapshot()
        for snapshot in (before, after, before):
            assert _restored(lockstep, snapshot).diverged == snapshot.diverged
    assert before.system != after.system
    assert before.ledger != after.ledger
    assert before.ledger.accepted == (Enqueue(key="k1"), Enqueue(key="k2"))
    assert InjectedFault(kind="crash", job=1, execution=1) in after.ledger.faults


def test_a_run_that_is_restored_by_replay_is_where_it_was() -> None:
    """Threads share a memory, so a world with threads is restored by taking all its actions again."""
    scope = Scope(threads=True)
    with Lockstep(scope, world=world_of(scope, guarded, restorable=True)) as lockstep:
        for action in (*WORK, Tick(seconds=0.5), Enqueue(key="k2")):
            lockstep.apply(action)
        before = lockstep.snapshot()
        for action in (Crash(worker="A"), ClockBack(seconds=0.2), Step(worker="B")):
            lockstep.apply(action)
        after = lockstep.snapshot()
        for snapshot in (before, after, before):
            assert _restored(lockstep, snapshot).path == snapshot.path
            assert lockstep.ledger.records == []
        assert before.system != after.system
        for elsewhere in (
            evolve(before.system, processes=after.system.processes),
            evolve(before.system, durable=after.system.durable),
        ):
            with pytest.raises(NotDeterministic, match="the same 6 actions led to another place than before"):
                lockstep.restore(evolve(before, system=elsewhere))


def test_a_run_that_is_restored_can_be_set_back_to_before() -> None:
    """What was noted before each of the last commits is a part of the snapshot."""
    scope = Scope(rollback=True)
    with Lockstep(scope, world=world_of(scope, guarded, restorable=True)) as lockstep:
        for action in (Enqueue(key="k1"), Step(worker="A"), Enqueue(key="k2")):
            lockstep.apply(action)
        before = lockstep.snapshot()
        assert before.ledger.accepted == (Enqueue(key="k1"), Enqueue(key="k2"))
        assert before.ledger.earlier
        assert before.ledger.earlier[0].accepted == (Enqueue(key="k1"),)
        for _ in range(2):
            lockstep.restore(before)
            lockstep.apply(Rollback(commits=1))
            assert lockstep.ledger.accepted == [Enqueue(key="k1")]


def test_a_restored_ledger_has_no_action_and_no_record() -> None:
    """What led to a snapshot is no part of it."""
    with Lockstep(Scope()) as lockstep:
        for action in WORK:
            lockstep.apply(action)
        ledger = lockstep.ledger
        ledger.start_recovery()
        assert (len(ledger.actions), len(ledger.records), ledger.step) == (4, 4, None)
        ledger.restore(LedgerSnapshot(accepted=(Enqueue(key="k9"),)))
        assert (ledger.actions, ledger.records, ledger.events, ledger.faults) == ([], [], [], [])
        assert (ledger.accepted, ledger.step, ledger.sometimes) == ([Enqueue(key="k9")], 0, Counter())


def _judge(target: Target | None) -> Judge:
    settings = Settings()
    return Judge(target, settings, Ledger(settings))


def test_a_divergence_ends_a_run_without_a_target() -> None:
    """With a target the first divergence is noted, and the run goes on."""
    with pytest.raises(Divergence):
        _judge(None).diverge("one", "another")
    judge = _judge(Target("INV_001"))
    judge.diverge("one", "another")
    judge.diverge("two", "others")
    assert judge.diverged is not None
    assert (judge.diverged.expected, judge.off_target) == ("one", None)


MISSING = Ending(final=Durable(), events=(), accepted=("k1",), faults=(), settled=True)
"""An accepted job is gone: INV_004 is broken, and no other."""


def test_a_broken_invariant_is_a_finding_tolerated_or_off_target() -> None:
    """It depends on the target alone."""
    for target in (None, Target("INV_004")):
        with pytest.raises(Violation) as found:
            _judge(target).judge_ending(MISSING)
        assert found.value.finding.invariant == "INV_004"
    judge = _judge(Target("INV_005", ("INV_004",)))
    judge.judge_ending(MISSING)
    assert (list(judge.tolerated), judge.off_target) == (["INV_004"], None)
    judge = _judge(Target("INV_005"))
    judge.judge_ending(MISSING)
    assert (list(judge.tolerated), judge.off_target) == (["INV_004"], "INV_004")
    judge.restore(None)
    assert (judge.tolerated, judge.off_target) == ({}, None)


def test_a_situation_that_nothing_notes_is_unknown() -> None:
    """A misspelt name would be reached never, and be missed by nobody."""
    assert unknown_of((*ANYWHERE, *AT_STATEMENTS, *SOMEWHERE)) is None
    named = unknown_of((ANYWHERE[0], "no such thing", "nor this"))
    assert named == "nothing is called so in checker/oracle/sometimes.py: no such thing, nor this"


def test_the_second_thread_of_a_process_ends_with_it() -> None:
    """The model forgets its heartbeat; a process that is no worker has none."""
    scope = Scope(threads=True)
    with Lockstep(scope) as lockstep:
        for action in (*WORK[:-1], ThreadHeartbeat(worker="A")):
            lockstep.apply(action)
        reference = lockstep.reference
        for name, beats in ((None, True), (PRODUCER, True), ("B", True), ("A", False)):
            reference.end(name)
            assert reference.state is not None
            worker = reference.state.worker("A")
            assert worker is not None
            assert (worker.heartbeat is not None) is beats


def test_a_producer_that_asks_again_asks_for_something_else() -> None:
    """The payload of the first one counts, so a system that takes the second one diverges."""
    with Lockstep(Scope(payloads_differ=True)) as lockstep:
        actions = [lockstep.apply(Enqueue(key="k1")).action for _ in range(2)]
    assert actions == [Enqueue(key="k1"), Enqueue(key="k1", payload="k1 again")]
