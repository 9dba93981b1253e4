"""The graph of a proof: a node stands for equal states alone, and an edge is followed once if it may be."""

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Granularity, Scope, guarded
from failure_modes.checker.oracle.lockstep import Lockstep, Snapshot
from failure_modes.checker.proof.nodes import Edge, Nodes
from failure_modes.checker.proof.state_change import StateChange
from failure_modes.checker.proof.successors import Successors
from failure_modes.checker.simulation.process_snapshot import ProcessSnapshot
from model.actions import Action, Enqueue, Rollback, Step, Tick
from model.load import Load


@pytest.fixture(scope="module")
def successors() -> Iterator[Successors]:
    """The successors of a small scope."""
    found = Successors(Scope(granularity=Granularity.STATEMENT), guarded, None)
    yield found
    found.close()


def _content(snapshot: Snapshot) -> Snapshot:
    return evolve(snapshot, system=evolve(snapshot.system, content=(("jobs", ((1, "k1"),)),)))


def _now(snapshot: Snapshot) -> Snapshot:
    return evolve(snapshot, system=evolve(snapshot.system, now=snapshot.system.now + 1))


def _skews(snapshot: Snapshot) -> Snapshot:
    return evolve(snapshot, system=evolve(snapshot.system, skews=(("A", 1),)))


def _process(snapshot: Snapshot) -> Snapshot:
    processes = (ProcessSnapshot(at_rest=False), *snapshot.system.processes[1:])
    return evolve(snapshot, system=evolve(snapshot.system, processes=processes))


def _extra(snapshot: Snapshot) -> Snapshot:
    return evolve(snapshot, system=evolve(snapshot.system, extra=("a statement at the server",)))


def _worker(snapshot: Snapshot) -> Snapshot:
    assert snapshot.state is not None
    first, *others = snapshot.state.workers
    workers = (evolve(first, heartbeat=1), *others)
    return evolve(snapshot, state=evolve(snapshot.state, workers=workers))


def _changed_at(snapshot: Snapshot) -> Snapshot:
    assert snapshot.state is not None
    return evolve(snapshot, state=evolve(snapshot.state, changed_at=snapshot.state.changed_at + 1))


def _diverged(snapshot: Snapshot) -> Snapshot:
    return evolve(snapshot, state=None)


def _ledger(snapshot: Snapshot) -> Snapshot:
    return evolve(snapshot, ledger=evolve(snapshot.ledger, accepted=(Enqueue(key="k9"),)))


PARTS = (_content, _now, _skews, _process, _extra, _worker, _changed_at, _diverged, _ledger)


@pytest.mark.parametrize("part", PARTS)
def test_states_that_differ_in_one_part_have_nodes_of_their_own(
    part: Callable[[Snapshot], Snapshot], successors: Successors
) -> None:
    """A snapshot with the same parts has the same node; with one other part it has another."""
    graph = Nodes(successors, remembers=True)
    kept = part(successors.start)
    assert graph.node(evolve(successors.start)) is graph.start
    assert graph.node(kept) is not graph.start
    assert graph.node(kept).snapshot == kept


def test_the_node_of_another_process_is_the_own_node_of_that_state(successors: Successors) -> None:
    """A state that is known is known again by its value."""
    graph = Nodes(successors, remembers=True)
    edge = graph.follow(graph.start, Enqueue(key="k1"))
    assert isinstance(edge, Edge)
    assert graph.adopt(pickle.loads(pickle.dumps(edge.node))) is edge.node


@pytest.mark.parametrize("remembers", [True, False])
def test_an_edge_is_followed_once_if_the_graph_remembers(successors: Successors, *, remembers: bool) -> None:
    """Else each time: in a replayed world it may lead elsewhere. Another action has another edge."""
    graph = Nodes(successors, remembers=remembers)
    first, second = [graph.follow(graph.start, Step(worker="A")) for _ in range(2)]
    assert (first is second) == remembers
    other = graph.follow(graph.start, Step(worker="B"))
    assert isinstance(first, Edge)
    assert isinstance(other, Edge)
    assert first.node is not other.node


def test_a_state_that_is_made_of_its_parts_has_the_ledger_of_a_run() -> None:
    """A worker whose execution was lost is stale until it leases again, in a proof as in a run."""
    scope, step = Scope(rollback=True), Step(worker="A")
    trace: tuple[Action, ...] = (Enqueue(key="k1"), step, Rollback(commits=1), step, step, step)
    successors, stale = Successors(scope, guarded, None), []
    graph = Nodes(successors, remembers=True)
    node = graph.start
    with Lockstep(scope) as plain:
        for action in trace:
            plain.apply(action)
            edge = graph.follow(node, action)
            assert isinstance(edge, Edge)
            node = edge.node
            assert node.snapshot.ledger == plain.snapshot().ledger
            stale.append(node.snapshot.ledger.stale)
    successors.close()
    assert any(stale)
    assert not stale[-1]


def test_what_is_accepted_and_the_load_are_noted_without_an_event(successors: Successors) -> None:
    """A system with a fault may write no audit row, and a reply may come after it."""
    before, action = successors.start, Enqueue(key="k1")
    change = successors.step(before, action)
    assert isinstance(change, StateChange)
    silent = evolve(change, events=(), accepted=(), load=before.ledger.load)
    parts: tuple[dict[str, Any], ...] = ({}, {"accepted": (action,)}, {"load": Load(failures=1)})
    for noted in parts:
        after = successors.after(before, action, evolve(silent, **noted)).ledger
        assert after == evolve(before.ledger, **noted)


@pytest.mark.parametrize("action", [Step(worker="A"), Tick(seconds=1)])
@pytest.mark.parametrize("part", [{"accepted": (Enqueue(key="k9"),)}, {"load": Load(failures=1)}])
def test_a_change_is_not_remembered_for_a_state_with_another_ledger(
    part: dict[str, Any], action: Action, successors: Successors
) -> None:
    """What is accepted and the load after a change go on from those of its own state."""
    for noted in ({}, part):
        ledger = evolve(successors.start.ledger, **noted)
        state = successors.own(evolve(successors.start, ledger=ledger))
        change = successors.step(state, action)
        assert isinstance(change, StateChange)
        assert (change.accepted, change.load) == (ledger.accepted, ledger.load)


def test_a_change_is_not_remembered_for_a_worker_that_has_lost_its_execution(successors: Successors) -> None:
    """The ledger notes other faults of such a worker, so its change is worked out anew."""
    ledger = successors.start.ledger
    states = [evolve(successors.start, ledger=evolve(ledger, stale=stale)) for stale in ((), ("A",), ())]
    one, other, again = [successors.step(successors.own(state), Step(worker="A")) for state in states]
    assert one is not other
    assert one is again


def test_a_divergence_ends_the_model_and_is_kept(successors: Successors) -> None:
    """The state after it has no model, and what diverged stays known."""
    before, action = successors.start, Enqueue(key="k1")
    change = successors.step(before, action)
    assert isinstance(change, StateChange)
    found = Finding(invariant=None, step=1, expected="this", got="that")
    for first, diverged in ((before, found), (evolve(before, state=None, diverged=found), None)):
        after = successors.after(first, action, evolve(change, diverged=diverged))
        assert (after.state, after.diverged) == (None, found)
