"""The graph of states: what a loss of power leaves."""

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.proof.graph import state_graph
from failure_modes.checker.proof.proof import Proof
from model.actions import PowerLoss


def test_a_loss_of_power_crashes_every_process() -> None:
    """Until each of them has moved again."""
    scope = Scope(workers=1, power_loss=True)
    graph = state_graph(Proof(scope=scope, bounds=Bounds(jobs=1, power_losses=1), fault=guarded))
    lost = [one for one in graph.transitions if isinstance(one.action, PowerLoss)]
    assert lost
    firsts = [graph.states[one.after] for one in lost if graph.states[one.after].came_from == one.before]
    assert firsts
    for state in firsts:
        assert state.crashed == {name for name, _ in state.paused}
        assert all(where == f"crashed; the next {name} has not begun" for name, where in state.paused)
