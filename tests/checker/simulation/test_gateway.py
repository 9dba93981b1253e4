"""The gateway: a second system. Each call is a boundary, and no transaction of the queue undoes it."""

from contextlib import closing

import pytest

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Granularity, Scope, guarded
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.simulation.gateway import Gateway
from failure_modes.checker.simulation.stepping import PausePoint
from model.actions import PRODUCER, Action, Crash, Enqueue, Fail, Heartbeat, Step
from model.state import JobState, Settings

BOTH = pytest.mark.parametrize("granularity", list(Granularity))
SETTINGS = Settings(external=True)


def test_a_key_is_charged_once() -> None:
    """A second call with the same key returns the first charge; without a key, each call is a charge."""
    with closing(Gateway()) as gateway:
        charges = [gateway.charge("k1", key) for key in ("a", "a", "b", None, None)]
        assert charges == [1, 1, 2, 3, 4]
        assert gateway.rows() == ((1, "a", "k1"), (2, "b", "k1"), (3, None, "k1"), (4, None, "k1"))


def test_a_gateway_can_be_restored() -> None:
    """A restored gateway has the charges of the snapshot, and continues from them."""
    with closing(Gateway()) as gateway:
        gateway.charge("k1", "a")
        once = gateway.rows()
        gateway.charge("k2", "b")
        gateway.restore(once)
        assert gateway.rows() == once
        assert gateway.charge("k1", "a") == 1
        assert gateway.charge("k3", "c") == 2
        gateway.restore(())
        assert gateway.rows() == ()


def _to(lockstep: Lockstep, at: PausePoint) -> None:
    """Enqueue a job, and step worker A to that boundary."""
    lockstep.apply(Enqueue(key="k1"))
    while lockstep.possible(Step(worker=PRODUCER)):
        lockstep.apply(Step(worker=PRODUCER))
    while lockstep.world.processes["A"].at is not at:
        lockstep.apply(Step(worker="A"))


@BOTH
@pytest.mark.parametrize("loses", [Crash(worker="A"), Fail(worker="A")], ids=["crash", "reply lost"])
def test_a_charge_survives_its_worker(granularity: Granularity, loses: Action) -> None:
    """If the worker dies or loses the reply after the call, the charge stays the only one."""
    with Lockstep(Scope(granularity=granularity, settings=SETTINGS)) as lockstep:
        _to(lockstep, PausePoint.REPLY)
        assert lockstep.durable.charges == ("k1",)
        assert not lockstep.possible(Heartbeat(worker="A"))
        lockstep.apply(loses)
        assert lockstep.durable.job_state(1) is not JobState.SUCCEEDED
        lockstep.finish()
        assert lockstep.durable.job_state(1) is JobState.SUCCEEDED
        assert lockstep.durable.charges == ("k1",)
        assert lockstep.ledger.sometimes["the gateway recognised a key"] == 1


@BOTH
@pytest.mark.parametrize("loses", [Crash(worker="A"), Fail(worker="A")], ids=["crash", "request lost"])
def test_before_the_call_nothing_is_charged(granularity: Granularity, loses: Action) -> None:
    """A crash or a failure before the call leaves the gateway unchanged."""
    with Lockstep(Scope(granularity=granularity, settings=SETTINGS)) as lockstep:
        _to(lockstep, PausePoint.HANDLER)
        lockstep.apply(loses)
        assert lockstep.durable.charges == ()


def test_without_a_gateway_nothing_is_charged() -> None:
    """A world without a gateway makes no call."""
    with Lockstep(Scope()) as lockstep:
        _to(lockstep, PausePoint.HANDLER)
        assert lockstep.world.gateway is None
        lockstep.apply(Step(worker="A"))
        assert (lockstep.durable.effects_of(1) != (), lockstep.durable.charges) == (True, ())


@pytest.mark.parametrize(
    ("granularity", "workers", "bounds"),
    [
        (Granularity.TRANSACTION, 2, Bounds(jobs=1, ticks=1, crashes=1, failures=1)),
        (Granularity.TRANSACTION, 2, Bounds(jobs=2)),
        (Granularity.STATEMENT, 1, Bounds(jobs=1, ticks=1)),
    ],
)
def test_no_reduction_hides_a_state(granularity: Granularity, workers: int, bounds: Bounds) -> None:
    """The explorer reaches the same states with and without sleep sets, and without its cache of steps."""
    scope = Scope(workers=workers, granularity=granularity, settings=SETTINGS)
    counted = set()
    for reductions in (Reductions(sleep=True), Reductions(sleep=False), Reductions(memory=False)):
        answer = prove(Proof(scope=scope, bounds=bounds, fault=guarded, reductions=reductions))
        assert (answer.complete, answer.finding) == (True, None)
        counted.add(answer.counts.states)
    assert len(counted) == 1
