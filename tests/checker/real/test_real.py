"""Real processes: they do what the simulated ones do, die for good, and the comparison is not blind."""

import os
import signal

import pytest

from failure_modes.checker.experiment.scope import Granularity, Scope, StoreKind, guarded
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.real.fidelity import Schedule, compare, kept_schedules, schedules
from failure_modes.checker.real.real import CommittingCrashWorld, ProcessLost, RealWorld, real_world_of
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.traces.database import all_kept
from failure_modes.checker.traces.replay import replay
from model.actions import Action, Crash, Enqueue, Step
from tests.checker.commands import invoke, results_of

STATEMENT = Scope(workers=2, granularity=Granularity.STATEMENT)
TORN: tuple[Action, ...] = (Enqueue(key="k1"), *[Step(worker="producer")] * 4, Crash(worker="producer"))
"""The producer dies when its job is inserted, and not committed."""


def test_a_trace_is_the_same_text_with_real_processes() -> None:
    """A kept trace of FM_001 and one of FM_012, with its gateway, word for word."""
    wanted = ("crash_between_commit_and_finish", "dies_before_it_learns")
    traces = [trace for path, trace in all_kept() if path.stem in wanted]
    assert len(traces) == len(wanted)
    for trace in traces:
        really = replay(trace, world=real_world_of)
        assert rendered(really) == rendered(replay(trace))
        assert really.as_expected


def test_schedules_and_kept_traces_do_not_differ() -> None:
    """A few of what `nox -s fidelity` compares: both granularities, with crashes and without."""
    found = [compare(schedule) for schedule in schedules(4, seed=3)]
    found += [compare(schedule) for schedule in list(kept_schedules())[:4]]
    assert [one.difference for one in found] == [None] * 8
    assert sum(one.steps for one in found) > 100
    assert sum(one.crashes for one in found) > 0


def _torn() -> Schedule:
    return Schedule(name="torn", scope=STATEMENT, fault=guarded, target=None, actions=TORN)


def test_a_crash_that_lets_finally_commit_is_noticed() -> None:
    """The canary: a job that was never accepted is there. SIGKILL leaves none."""
    assert compare(_torn()).difference is None
    difference = compare(_torn(), CommittingCrashWorld).difference
    assert difference is not None
    assert difference.startswith("step 6: ")


def test_a_killed_process_is_gone_and_so_is_its_lock() -> None:
    """SIGKILL inside a transaction: the process is no more, and another can write."""
    with Lockstep(STATEMENT, world=RealWorld(STATEMENT, guarded)) as lockstep:
        for action in TORN[:-1]:
            lockstep.apply(action)
        producer = lockstep.world.processes["producer"]
        assert producer.in_transaction
        pid = producer.pid
        assert pid is not None
        lockstep.apply(TORN[-1])
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        lockstep.apply(Enqueue(key="k1"))
        while not lockstep.rests("producer"):
            lockstep.apply(Step(worker="producer"))
        assert len(lockstep.durable.jobs) == 1


def test_a_process_that_dies_unasked_is_an_error() -> None:
    """It is no crash of the schedule, so nothing that follows would mean anything."""
    with Lockstep(Scope(), world=RealWorld(Scope(), guarded)) as lockstep:
        lockstep.apply(Enqueue(key="k1"))
        lockstep.apply(Step(worker="A"))
        worker = lockstep.world.processes["A"]
        assert worker.at is PausePoint.BEGIN
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(ProcessLost, match="process A ended by itself"):
            lockstep.apply(Step(worker="A"))


def test_the_command_says_what_was_compared() -> None:
    """As JSON: what was run, that nothing differs, that the canary was noticed."""
    result = invoke("fidelity", "--schedules", "2", "--seed", "1", "--processes", "1", "--json")
    (said,) = results_of(result)
    assert (said["schedules"], said["differences"]) == (2, [])
    on_sqlite = [trace for _, trace in all_kept() if trace.scope.store is StoreKind.SQLITE]
    assert said["runs"] == 2 + 2 * len(on_sqlite)
    assert said["canary"].startswith("schedule ")
    assert said["crashes"] > 20
