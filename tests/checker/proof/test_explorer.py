"""The explorer: it reaches every state there is, and the first violation that it meets is a shortest one.

The numbers are derived where they can be, and pinned where they cannot: a reduction that leaves out a state,
or a fingerprint that takes two for one, changes them.
"""

from collections.abc import Iterable

import pytest
from attrs import evolve, frozen

from failure_modes.checker.experiment.bounds import Bounds, Spent
from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, guarded
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.proof import proving
from failure_modes.checker.proof.alphabet import Alphabet
from failure_modes.checker.proof.explorer import ReachedState, Shard
from failure_modes.checker.proof.parallel import ShardServer
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.simulation.process_snapshot import ProcessSnapshot
from model.actions import Action, Tick
from model.state import Settings
from system.audit import EventKind, Operation
from system.policies import CommitBoundary, Fence
from system.policies.fence import refuse
from system.queue import Queue
from system.store import Execution, Status, Store

TRANSACTION, STATEMENT = Granularity.TRANSACTION, Granularity.STATEMENT
ONE_ORDER, EVERY_ORDER = Reductions(sleep=True), Reductions(sleep=False)


def _proof(
    granularity: Granularity,
    workers: int,
    bounds: Bounds,
    *,
    fault: Fault = guarded,
    target: Target | None = None,
    reductions: Reductions | None = None,
    attempts_max: int = 3,
) -> Proof:
    settings, right = Settings(attempts_max=attempts_max), fault is guarded  # the schema would refuse faults
    scope = Scope(workers=workers, granularity=granularity, settings=settings, constraints=right)
    return Proof(scope=scope, bounds=bounds, fault=fault, target=target, reductions=reductions or ONE_ORDER)


def _counted(proof: Proof) -> tuple[int, int]:
    """How many states and transitions there are in all."""
    answer = prove(proof)
    assert (answer.complete, answer.bound, answer.finding) == (True, None, None)
    return answer.counts.states, answer.counts.transitions


# Counts that are derived.


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("reconciles", [0, 1, 3])
@pytest.mark.parametrize("ticks", [0, 1, 4])
def test_without_jobs_a_state_is_what_is_spent(ticks: int, reconciles: int, workers: int) -> None:
    """With no job the store stays empty and all are at rest, so there are (m + 1)(r + 1) states.

    From each, every worker may ask in vain; time may pass unless all ticks are spent, and reconciliation may
    run likewise.
    """
    states = (ticks + 1) * (reconciles + 1)
    transitions = workers * states + ticks * (reconciles + 1) + reconciles * (ticks + 1)
    bounds = Bounds(jobs=0, ticks=ticks, reconciles=reconciles)
    assert _counted(_proof(TRANSACTION, workers, bounds, reductions=EVERY_ORDER)) == (states, transitions)


@pytest.mark.parametrize("ticks", [0, 1, 2, 5])
def test_without_jobs_a_statement_is_run_after_so_many_ticks(ticks: int) -> None:
    """One worker that asks in vain passes by three places, and at each recalls when it read the clock.

    The places are: after BEGIN, after SELECT, and after COMMIT. With t ticks spent the worker is at rest, or
    at one of them having read its clock 0, …, t ticks ago: 1 + 3(t + 1) states. Each has one step, and one
    tick unless all are spent.
    """
    level = [1 + 3 * (spent + 1) for spent in range(ticks + 1)]
    proof = _proof(STATEMENT, 1, Bounds(jobs=0, ticks=ticks), reductions=EVERY_ORDER)
    assert _counted(proof) == (sum(level), sum(level) + sum(level[:-1]))


def test_one_job_and_one_worker_make_six_states() -> None:
    """There is no job; or it is PENDING, LEASED, IN_PROGRESS, COMMITTED, or DONE: one comes of the other.

    So there are five transitions on the way, and a worker that asks in vain before it and after it.
    """
    for reductions in (ONE_ORDER, EVERY_ORDER):
        assert _counted(_proof(TRANSACTION, 1, Bounds(jobs=1), reductions=reductions)) == (6, 7)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_one_job_is_in_the_hand_of_one_of_the_workers(workers: int) -> None:
    """As with one worker; where workers are told apart, four of the states are there once for each.

    In every state each worker has a step, and in the first there is the enqueue besides.
    """
    apart = Reductions(symmetry=False, sleep=False)
    for reductions, states in ((EVERY_ORDER, 6), (apart, 2 + 4 * workers)):
        proof = _proof(TRANSACTION, workers, Bounds(jobs=1), reductions=reductions)
        assert _counted(proof) == (states, workers * states + 1)


# Counts that are pinned.

SMALL = Bounds(jobs=1, ticks=1, crashes=1)
ALL = Bounds(jobs=1, ticks=1, crashes=1, failures=1, heartbeats=1, reconciles=1)
PINNED = (
    (TRANSACTION, 1, SMALL, 46, 72),
    (TRANSACTION, 2, Bounds(jobs=2), 35, 66),
    (TRANSACTION, 2, ALL, 452, 1397),
    (STATEMENT, 1, Bounds(jobs=1), 94, 101),
    (STATEMENT, 1, SMALL, 1195, 2041),
    (STATEMENT, 2, Bounds(jobs=1), 406, 524),
)


@pytest.mark.parametrize(("granularity", "workers", "bounds", "states", "transitions"), PINNED)
def test_the_counts_of_a_scope_are_known(
    granularity: Granularity, workers: int, bounds: Bounds, states: int, transitions: int
) -> None:
    """They change when the system, the fingerprint or a reduction does, and not by themselves."""
    assert _counted(_proof(granularity, workers, bounds)) == (states, transitions)


# Violations at a known depth.


@frozen
class TwiceAt(CommitBoundary):
    """The effect of that attempt is written twice."""

    attempt: int = 1

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Commit as usual, and at that attempt write once more."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            reason = self._refusal(tx, fence, execution)
            if reason:
                refuse(tx, execution, Operation.COMMIT, reason)
                return False
            for _ in range(2 if execution.attempt == self.attempt else 1):
                tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
            to, actor = Status.COMMITTED, execution.worker
            tx.move(execution, to=to, event=EventKind.COMMITTED, operation=Operation.COMMIT, actor=actor)
            tx.set_available(execution.job_id, None)
            return True


CHARGED_TWICE = Target("INV_001")


def _twice_at(attempt: int) -> Fault:
    def fault(queue: Queue) -> Queue:
        return evolve(queue, policies=evolve(queue.policies, commit=TwiceAt(attempt)))

    return fault


def _canary(attempt: int, workers: int, bounds: Bounds, target: Target | None = CHARGED_TWICE) -> Proof:
    return _proof(TRANSACTION, workers, bounds, fault=_twice_at(attempt), target=target, attempts_max=5)


@pytest.mark.parametrize("attempt", [1, 2, 3, 4, 5])
def test_a_fault_at_an_attempt_is_found_as_soon_as_one_worker_can_come_to_it(attempt: int) -> None:
    """1 enqueue; 3 for each attempt before: lease, a tick, a refused start; then lease, start, commit."""
    answer = prove(_canary(attempt, 1, Bounds(jobs=1, ticks=attempt - 1, failures=1, crashes=1)))
    assert (answer.shortest, answer.complete) == (1 + 3 * (attempt - 1) + 3, True)


@pytest.mark.parametrize("attempt", [1, 2, 3, 4])
def test_a_fault_at_an_attempt_is_found_sooner_by_as_many_workers(attempt: int) -> None:
    """1 enqueue; 2 for each attempt before: a lease and a tick, each time by another; then 3 as above."""
    answer = prove(_canary(attempt, attempt, Bounds(jobs=1, ticks=attempt - 1)))
    assert (answer.shortest, answer.complete) == (1 + 2 * (attempt - 1) + 3, True)


@pytest.mark.parametrize("attempt", [1, 2, 3, 4])
def test_a_fault_at_an_attempt_is_found_later_where_a_lease_never_ends(attempt: int) -> None:
    """1 enqueue; 4 for each attempt before: lease, start, fail, and the backoff; then 3 as above.

    The backoffs are 1, 2 and 4 seconds, and all the ticks together too short for a lease to run out.
    """
    canary = _canary(attempt, 1, Bounds(jobs=1, ticks=attempt - 1, failures=attempt - 1))
    answer = prove(evolve(canary, scope=evolve(canary.scope, tick_seconds=(4,))))
    assert (answer.shortest, answer.complete) == (1 + 4 * (attempt - 1) + 3, True)


@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_a_fault_that_is_yet_to_come_is_found_by_the_ending(attempt: int) -> None:
    """1 enqueue; a lease and a tick for each attempt before: the fair schedule after it is not counted."""
    answer = prove(_canary(attempt, 3, Bounds(jobs=1, ticks=2), target=None))
    assert (answer.shortest, answer.complete) == (1 + 2 * (attempt - 1), True)


@pytest.mark.parametrize(("workers", "crashes", "shortest"), [(2, 0, 8), (1, 1, 9)])
def test_the_shortest_duplicate_retry_is_known(workers: int, crashes: int, shortest: int) -> None:
    """Two workers need 8 actions for it, and one that crashes 9; a kept trace is as short."""
    mode = failure_mode("FM_001")
    bounds = Bounds(jobs=1, ticks=1, crashes=crashes)
    answer = prove(_proof(TRANSACTION, workers, bounds, fault=mode.fault, target=mode.target))
    assert (answer.complete, answer.shortest, len(answer.actions)) == (True, shortest, shortest)
    assert answer.finding is not None
    assert (answer.finding.invariant, answer.finding.step) == (mode.breaks, shortest)


# The canaries can fail.


def test_an_explorer_that_loses_states_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """If one state in ten that are reached is dropped, the counts are not what they were pinned to."""
    seen = 0
    absorb = Shard.absorb

    def forgetful(part: Shard, candidates: Iterable[ReachedState]) -> None:
        nonlocal seen
        kept = []
        for candidate in candidates:
            seen += 1
            if seen % 10:
                kept.append(candidate)
        absorb(part, kept)

    monkeypatch.setattr(Shard, "absorb", forgetful)
    for granularity, workers, bounds, states, transitions in PINNED:
        found = _counted(_proof(granularity, workers, bounds))
        assert found != (states, transitions), f"of {states} states none was missed"


def test_an_explorer_that_leaves_out_an_action_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """If time never passes after the first job was enqueued, the depths are not what they should be."""
    possible = Alphabet.possible

    def timeless(
        alphabet: Alphabet, snapshots: tuple[ProcessSnapshot, ...], spent: Spent
    ) -> list[tuple[Action, Spent]]:
        found = possible(alphabet, snapshots, spent)
        return [(action, after) for action, after in found if not (spent[0] and isinstance(action, Tick))]

    monkeypatch.setattr(Alphabet, "possible", timeless)
    assert prove(_canary(2, 2, Bounds(jobs=1, ticks=1))).shortest is None
    assert prove(_canary(1, 2, Bounds(jobs=1, ticks=1))).shortest == 4, "for this no time need pass"


# Any number of parts.


def _in_parts(proof: Proof, number: int) -> tuple[int, int, frozenset[bytes], bytes | None]:
    """The states, transitions, digests, and least trace that so many parts come to; as in `prove`."""
    desks = [ShardServer(proof, part, number) for part in range(number)]
    for desk in desks:
        desk.add_first()
    broken: list[bytes] = []
    while not broken:
        left = sum([desk.advance().frontier for desk in desks])
        broken = [found.trace for desk in desks for found in desk.broken()]
        if not left:
            break
        while left and not broken:
            replies = [desk.expand(7) for desk in desks]
            for part, desk in enumerate(desks):
                desk.absorb([packed[part] for _, packed in replies if part in packed])
            left = sum([counts.frontier for counts, _ in replies])
        broken = [found.trace for desk in desks for found in desk.broken()]
    saved = [desk.saved() for desk in desks]
    for desk in desks:
        desk.close()
    busy = [part for part in saved if part.seen]
    assert len(busy) >= min(2, number), "the states were shared out"
    digests = [digest for part in saved for digest in part.seen]
    assert len(digests) == len(set(digests)), "no two parts have the same state"
    least = min(broken, key=lambda trace: (len(trace), trace), default=None)
    return len(digests), sum([part.counts.transitions for part in saved]), frozenset(digests), least


@pytest.mark.parametrize(
    "proof",
    [
        _proof(TRANSACTION, 2, ALL),
        _proof(STATEMENT, 2, Bounds(jobs=1)),
        _canary(3, 2, Bounds(jobs=1, ticks=2, crashes=1)),
        _canary(2, 2, Bounds(jobs=2, ticks=2, failures=1), target=None),
    ],
    ids=["transaction", "statement", "a violation", "a violation at the end"],
)
def test_the_number_of_parts_changes_nothing(proof: Proof) -> None:
    """States, transitions, their digests, and the least trace are the same for 1, 2 and 3 parts."""
    one, two, three = [_in_parts(proof, number) for number in (1, 2, 3)]
    assert one == two == three
    answer = prove(proof)
    if answer.finding is None:
        assert (answer.counts.states, answer.counts.transitions) == one[:2]
    else:
        assert one[3] is not None
        assert answer.shortest == len(one[3])


def test_two_processes_prove_what_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts and the depth of a space that both share, however small it is."""
    monkeypatch.setattr(proving, "SMALL_STATES", 0)
    bounds = Bounds(jobs=1, ticks=1, crashes=1, heartbeats=1)
    one, two = [prove(_proof(TRANSACTION, 2, bounds), processes=processes) for processes in (1, 2)]
    for answer in (one, two):
        assert (answer.complete, answer.finding) == (True, None)
    assert (one.counts.states, one.counts.transitions, one.depth) == (
        two.counts.states,
        two.counts.transitions,
        two.depth,
    )


def test_a_violation_is_complete_whatever_the_bound() -> None:
    """What breaks at the last level that was allowed is found, and one level sooner it is not."""
    proof = _canary(1, 1, Bounds(jobs=1))
    found = prove(evolve(proof, depth_max=4))
    assert (found.shortest, found.complete, found.bound) == (4, True, None)
    sooner = prove(evolve(proof, depth_max=3))
    assert (sooner.shortest, sooner.complete, sooner.bound) == (None, False, "depth")
