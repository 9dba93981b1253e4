"""Runs that share a world are as runs in fresh worlds: nothing of one reaches the next."""

import random
from contextlib import closing

import pytest

from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED, Strategy
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.search.runs import Runs
from failure_modes.checker.subject.worlds import world_of
from model.actions import Enqueue, Step
from model.state import Settings

WITH_POWER = UNRESTRICTED.weighted("PowerLoss", 2)
LIMITED = Settings(attempts_max=2, retries_max=1, failures_max=1, external=True)


def _run(run: Lockstep, strategy: Strategy, seed: int) -> tuple[object, ...]:
    """Everything that can be seen of one run of random actions, with its ending."""
    chance, found = random.Random(seed), None
    draws = strategy.bursts(run.scope)
    try:
        for _ in range(25):
            for action in chance.choice(draws):
                if not run.over and run.possible(action):
                    run.apply(action)
        if not run.over:
            run.finish()
    except Found as error:
        found = error.finding
    records = [(one.action, one.now, one.events, one.after, one.answers) for one in run.ledger.records]
    return records, found, run.world.content.everything()


@pytest.mark.parametrize(
    ("scope", "fault", "strategy"),
    [
        (Scope(settings=LIMITED).with_each_tick(), guarded, UNRESTRICTED),
        (Scope(constraints=False).with_each_tick(), failure_mode("FM_002").fault, UNRESTRICTED),
        (Scope(granularity=Granularity.STATEMENT).with_each_tick(), guarded, UNRESTRICTED),
        (Scope(power_loss=True).with_each_tick(), failure_mode("FM_015").fault, WITH_POWER),
    ],
)
def test_a_run_in_a_shared_world_is_as_in_a_fresh_one(scope: Scope, fault: Fault, strategy: Strategy) -> None:
    """The same actions give the same records, finding and rows, to the audit and to the ids."""
    with closing(Runs(scope, fault, None)) as runs:
        for seed in range(12):
            with Lockstep(scope, fault) as fresh:
                expected = _run(fresh, strategy, seed)
            assert _run(runs.begin(), strategy, seed) == expected
            assert expected[0], "something happened"


def test_a_world_that_was_not_made_for_it_does_not_start_over() -> None:
    """An explorer restores, and a fidelity run ends: neither starts over."""
    with closing(world_of(Scope(), guarded)) as world:
        assert not world.reusable
        with pytest.raises(NotImplementedError, match="was not made to start over"):
            world.start_over()


@pytest.mark.parametrize("granularity", list(Granularity))
def test_a_schema_that_was_changed_is_as_at_first(granularity: Granularity) -> None:
    """A run that leaves a table is followed by a run in a database without that table."""
    with closing(Runs(Scope(granularity=granularity), guarded, None)) as runs:
        for _ in range(3):
            run = runs.begin()
            assert "mine" not in [name for name, _ in run.world.content.everything()]
            with run.world.database.observer._connections.one() as connection:  # noqa: SLF001 (no store runs it)
                connection.execute("CREATE TABLE mine (id INTEGER PRIMARY KEY)")
            assert "mine" in [name for name, _ in run.world.content.everything()]
            run.apply(Enqueue(key="k1"))
            run.apply(Step(worker="A"))
