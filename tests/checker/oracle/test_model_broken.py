"""The model, broken on purpose: lock-step says so, although no row of the system is wrong."""

from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.findings import Divergence
from failure_modes.checker.oracle.lockstep import Lockstep
from model import step
from model.actions import Action, Enqueue, Step
from model.events import Environment

CALLED: tuple[Action, ...] = (Enqueue(key="k1"), *[Step(worker="A")] * 3)
"""A job is accepted, leased and started, and its handler calls the gateway."""


def _run() -> None:
    with Lockstep(failure_mode("FM_012").scope) as lockstep:
        for action in CALLED:
            lockstep.apply(action)
        assert lockstep.durable.charges == ("k1",)


def test_the_model_knows_a_charge_from_a_call_that_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that always names the wrong one of the two has the right rows, and diverges."""
    _run()
    usual: Any = vars(step)["_call"]

    def call(*arguments: Any) -> Any:
        state, outcome = usual(*arguments)
        return state, evolve(outcome, operation=Environment.RECOGNISE)

    monkeypatch.setattr(step, "_call", call)
    with pytest.raises(Divergence, match="divergence: charge"):
        _run()


def test_a_model_that_loses_its_state_is_no_divergence_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """No state is how a run says that it goes on without the model; a model must not switch it off so."""
    usual: Any = vars(step)["_call"]
    monkeypatch.setattr(step, "_call", lambda *arguments: (None, usual(*arguments)[1]))
    with pytest.raises(AssertionError, match="the model has a state after each step"):
        _run()
