"""What the fingerprints keep in memory, and how times and ids count: by made states, and not by runs.

The guarded queue leaves no gaps between the ids of its jobs, so no run of it shows that ids count by rank.
"""

from collections.abc import Iterator

import pytest
from attrs import evolve

from failure_modes.checker.experiment.scope import Granularity, Scope, guarded
from failure_modes.checker.oracle.lockstep import Snapshot
from failure_modes.checker.proof.fingerprint import Fingerprints
from failure_modes.checker.proof.successors import Successors
from failure_modes.checker.simulation.process_snapshot import Entry, Intent, ProcessSnapshot
from failure_modes.checker.simulation.stepping import Row, StatementResult
from model.actions import Fail, Heartbeat, Step

SCOPE = Scope(workers=1, granularity=Granularity.STATEMENT)


@pytest.fixture(scope="module")
def successors() -> Iterator[Successors]:
    """The successors of the scope."""
    found = Successors(SCOPE, guarded, None)
    yield found
    found.close()


def _fingerprints(successors: Successors) -> Fingerprints:
    """Fingerprints that remember nothing yet."""
    layout = successors.lockstep.world.subject.layout
    return Fingerprints(SCOPE, successors.columns, layout, symmetry=True)


def _state(
    successors: Successors,
    process: ProcessSnapshot,
    *job_ids: int,
    now: int | None = None,
    added_at: int | None = None,
) -> Snapshot:
    """A state with jobs of these ids, all alike, in which that process runs."""
    system = successors.start.system
    times, columns = successors.lockstep.world.subject.layout.times, successors.columns["jobs"]
    others = [added_at if column in times else "same" for column in columns[1:]]
    rows: tuple[Row, ...] = tuple([(at, *others) for at in job_ids])
    content = tuple([(table, rows if table == "jobs" else old) for table, old in system.content])
    processes = (process, *system.processes[1:])
    now = system.now if now is None else now
    return evolve(
        successors.start, state=None, system=evolve(system, content=content, now=now, processes=processes)
    )


def _running(*, pending: Intent | None = None, log: tuple[Entry, ...] = ()) -> ProcessSnapshot:
    return ProcessSnapshot(at_rest=False, in_transaction=True, pending=pending, log=log)


def _added(job_id: int) -> ProcessSnapshot:
    """A process that has added the job of that id."""
    return _running(log=(StatementResult("INSERT INTO jobs VALUES (?)", (), lastrowid=job_id),))


def test_ids_count_by_rank(successors: Successors) -> None:
    """A gap before an id changes nothing; another place among the ids does."""
    taken = [
        _fingerprints(successors).taken(_state(successors, _added(last), *ids)).base
        for last, *ids in ((1, 1), (2, 2), (2, 1, 2), (3, 1, 3), (1, 1, 2))
    ]
    assert taken[0] == taken[1]
    assert taken[2] == taken[3]
    assert len(set(taken)) == 3


def test_what_was_taken_before_changes_no_fingerprint(successors: Successors) -> None:
    """The same rows and the same process have other ranks in another content, and other ages later."""
    process = _added(2)
    process = evolve(process, log=(*process.log, 5_000))
    states = [
        _state(successors, process, *ids, now=now)
        for now in (5_000, 7_000)
        for ids in ((1, 2), (2,), (1, 2), (2, 3), (2,))
    ]
    used = _fingerprints(successors)
    for state in states:
        assert used.taken(state).base == _fingerprints(successors).taken(state).base
    assert len({used.taken(state).base for state in states}) == 6


def test_a_time_that_a_process_has_read_counts_from_now(successors: Successors) -> None:
    """Two seconds ago is the same at any time, and is not in two seconds."""
    early, late, ahead = [
        _fingerprints(successors).taken(_state(successors, _running(log=(read,)), now=now)).base
        for read, now in ((5_000, 7_000), (6_000, 8_000), (7_000, 5_000))
    ]
    assert early == late
    assert early != ahead


def test_what_a_process_is_about_to_do_tells_states_apart(successors: Successors) -> None:
    """Each intent of a worker counts, also before its first statement."""
    intents = (Step(worker="A"), Heartbeat(worker="A"), Fail(worker="A"), None)
    states = [_state(successors, _running(pending=intent)) for intent in intents]
    assert len({_fingerprints(successors).taken(state).base for state in states}) == len(intents)


def test_a_time_of_zero_counts_from_now_as_any_other(successors: Successors) -> None:
    """The clock of a proof begins at zero, and a job may be added then."""
    ages = [
        _fingerprints(successors).taken(_state(successors, _running(), 1, now=now, added_at=added_at)).base
        for added_at, now in ((0, 30_000), (15_000, 45_000), (0, 45_000))
    ]
    assert ages[0] == ages[1]
    assert ages[0] != ages[2]
