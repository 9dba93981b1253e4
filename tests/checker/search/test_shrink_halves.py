"""The halves of the shrinker: a shorter trace counts if it breaks the same invariant, and not otherwise."""

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.findings import Finding, Found
from failure_modes.checker.experiment.scope import Granularity, Scope, StoreKind, guarded
from failure_modes.checker.proof.proof import Counts, Proof
from failure_modes.checker.proof.proving import Limits
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.search import minimise as minimising
from failure_modes.checker.search.minimise import (
    STATES_MAX,
    STATES_MAX_BY_REPLAY,
    Shortest,
    bounds_of,
    is_explored_by_replay,
    shrink,
)
from failure_modes.checker.search.runs import Runs
from model.actions import (
    ACTIONS,
    Action,
    ClockBack,
    ClockSkew,
    Crash,
    Enqueue,
    Fail,
    Hang,
    Heartbeat,
    LostReply,
    PowerLoss,
    Reconcile,
    Release,
    Rollback,
    Step,
    ThreadHeartbeat,
    Tick,
    TimeOut,
)

K1, A, SECOND, CRASH = Enqueue(key="k1"), Step(worker="A"), Tick(seconds=1), Crash(worker="A")


def _found(invariant: str, actions: tuple[Action, ...]) -> Found:
    return Found(Finding(invariant=invariant, step=len(actions), expected="", got=""), actions)


def _run(runs: Runs, actions: tuple[Action, ...]) -> Found | None:
    """A system in which a tick breaks INV_001 after an enqueue, and anything else breaks INV_003."""
    del runs
    if not actions:
        return None
    return _found("INV_001" if SECOND in actions and K1 in actions else "INV_003", actions)


def _proved(invariant: str | None, actions: tuple[Action, ...]) -> ProofResult:
    finding = _found(invariant, actions).finding if invariant else None
    counts = Counts()
    return ProofResult(
        complete=True,
        bound=None,
        counts=counts,
        depth=1,
        seconds=0,
        peak_memory_mb=0,
        finding=finding,
        actions=actions,
    )


def _shrunk(answer: ProofResult, monkeypatch: pytest.MonkeyPatch) -> Shortest:
    monkeypatch.setattr(Runs, "take", _run)
    monkeypatch.setattr(minimising, "prove", lambda *_, **__: answer)
    return shrink(Scope(), guarded, None, _found("INV_001", (K1, A, SECOND)))


def test_a_shorter_trace_of_another_invariant_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each single action breaks INV_003, and the trace still has both that INV_001 needs."""
    shortest = _shrunk(UNKNOWN, monkeypatch)
    assert (shortest.actions, shortest.is_minimal) == ((K1, SECOND), False)


def test_a_proof_of_another_invariant_certifies_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The explorer finds INV_003 in one action: the trace of INV_001 stays, and is not called minimal."""
    shortest = _shrunk(_proved("INV_003", (K1,)), monkeypatch)
    assert (shortest.actions, shortest.is_minimal) == ((K1, SECOND), False)


UNKNOWN = evolve(_proved(None, ()), complete=False, bound="states")
FOUND = _found("INV_001", (K1, A, SECOND))


def test_the_explorer_is_asked_for_fewer_actions_and_for_as_many_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """First in a fifth of the states, for one action fewer; then, for the shorter trace, in all of them."""
    asked: list[tuple[Proof, Limits]] = []

    def ask(proof: Proof, *, limits: Limits, report: object) -> ProofResult:
        assert report is not None
        asked.append((proof, limits))
        return UNKNOWN

    monkeypatch.setattr(Runs, "take", _run)
    monkeypatch.setattr(minimising, "prove", ask)
    for symmetric in (False, True):
        if symmetric:
            shrink(Scope(), guarded, None, FOUND, symmetric=True)
        else:
            shrink(Scope(), guarded, None, FOUND)
        assert [proof.reductions.symmetry for proof, _ in asked] == [symmetric] * 2
        assert [proof.depth_max for proof, _ in asked] == [2, 1]
        assert [limits.states_max for _, limits in asked] == [STATES_MAX // 5, STATES_MAX]
        assert {(proof.bounds, proof.scope.tick_seconds) for proof, _ in asked} == {
            (Bounds(jobs=1, ticks=1), (1,))
        }
        asked.clear()


def test_each_shorter_trace_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its finding, while the shrinking goes on."""
    monkeypatch.setattr(Runs, "take", _run)
    monkeypatch.setattr(minimising, "prove", lambda *_, **__: UNKNOWN)
    told: list[Found] = []
    shrink(Scope(), guarded, None, FOUND, shorter=told.append)
    assert [one.actions for one in told] == [(K1, SECOND)]


def test_a_proof_that_is_interrupted_ends_the_shrinking(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers nothing, and is not taken for one that was too large."""
    with pytest.raises(KeyboardInterrupt):
        _shrunk(evolve(UNKNOWN, bound="interrupted"), monkeypatch)


def test_a_trace_whose_names_matter_keeps_them_and_its_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """With another key nothing breaks, so the trace is not renamed."""
    k7 = Enqueue(key="k7")

    def run_k7(runs: Runs, actions: tuple[Action, ...]) -> Found | None:
        del runs
        return _found("INV_001", actions) if k7 in actions and SECOND in actions else None

    monkeypatch.setattr(Runs, "take", run_k7)
    monkeypatch.setattr(minimising, "prove", lambda *_, **__: _proved(None, ()))
    shortest = shrink(Scope(), guarded, None, _found("INV_001", (k7, SECOND)))
    assert (shortest.actions, shortest.is_minimal) == ((k7, SECOND), True)


class _FewRuns:
    """Runs at no server: a tick after an enqueue breaks INV_001, and so does a crash."""

    def __init__(self, *_: object) -> None:
        self.close = lambda: None

    def take(self, actions: tuple[Action, ...]) -> Found | None:
        """What the actions break."""
        breaks = {SECOND, K1} <= set(actions) or CRASH in actions
        return _found("INV_001", actions) if breaks else None


@pytest.mark.parametrize(
    ("answer", "shortest", "is_minimal"),
    [
        (UNKNOWN, (K1, SECOND), False),
        (_proved(None, ()), (K1, SECOND), True),
        (_proved("INV_001", (CRASH,)), (CRASH,), True),
    ],
    ids=["too many states", "nothing shorter", "a shorter one"],
)
def test_where_the_explorer_is_slow_local_edits_come_first(
    answer: ProofResult, shortest: tuple[Action, ...], is_minimal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The explorer is asked once, for fewer actions than they left. It finds what no local edit does."""
    asked: list[tuple[int | None, int | None]] = []

    def ask(proof: Proof, *, limits: Limits, report: object) -> ProofResult:
        del report
        asked.append((proof.depth_max, limits.states_max))
        return answer

    monkeypatch.setattr(minimising, "Runs", _FewRuns)
    monkeypatch.setattr(minimising, "prove", ask)
    scope = Scope(store=StoreKind.POSTGRESQL, granularity=Granularity.STATEMENT)
    found = shrink(scope, guarded, None, FOUND)
    assert asked == [(1, STATES_MAX_BY_REPLAY)]
    assert (found.actions, found.is_minimal) == (shortest, is_minimal)


@pytest.mark.parametrize("store", StoreKind)
@pytest.mark.parametrize("granularity", Granularity)
def test_only_traces_by_statements_at_a_server_are_explored_by_replay(
    store: StoreKind, granularity: Granularity
) -> None:
    """Each other state is restored by its rows."""
    slow = (store, granularity) == (StoreKind.POSTGRESQL, Granularity.STATEMENT)
    assert is_explored_by_replay(Scope(store=store, granularity=granularity)) is slow


EVENTS: dict[Action, str] = {
    Tick(seconds=1): "ticks",
    Crash(worker="A"): "crashes",
    Fail(worker="A"): "failures",
    Heartbeat(worker="A"): "heartbeats",
    Reconcile(): "reconciles",
    PowerLoss(): "power_losses",
    LostReply(worker="A"): "lost_replies",
    ThreadHeartbeat(worker="A"): "thread_heartbeats",
    Rollback(commits=1): "rollbacks",
    ClockBack(seconds=1): "clock_backs",
    Release(worker="A"): "releases",
    Hang(worker="A"): "hangs",
    TimeOut(worker="A"): "time_outs",
    ClockSkew(worker="A", seconds=1): "clock_skews",
}


@pytest.mark.parametrize("action", EVENTS, ids=lambda action: type(action).__name__)
def test_each_event_of_a_trace_is_allowed_as_often(action: Action) -> None:
    """And no other one."""
    assert bounds_of((action, A, action)) == Bounds(jobs=0, **{EVENTS[action]: 2})


def test_each_action_but_a_step_is_bounded() -> None:
    """A new action needs its bound."""
    assert {type(action) for action in EVENTS} == {*ACTIONS} - {Step, Enqueue}


def test_an_enqueue_is_a_job_a_retry_or_a_poison() -> None:
    """The first of each key is a job; a poison job is no other job."""
    poison = Enqueue(key="p1", poison=True)
    assert bounds_of((K1, A, K1, K1, poison)) == Bounds(jobs=1, retries=2, poisons=1)
