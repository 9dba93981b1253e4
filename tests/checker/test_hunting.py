"""The hunt: what it switches off, and which of that it takes for a break."""

import json

from attrs import evolve

from failure_modes.checker.catalogue import failure_mode
from failure_modes.checker.hunting import SET_MAX, Trial, hunt, trials
from failure_modes.checker.matrix import off
from tests.checker.commands import invoke


def test_sets_are_drawn_from_the_seed_and_differ() -> None:
    """The same seed gives the same sets; each has from one to so many policies, and none comes twice."""
    drawn = list(trials(40, 5))
    assert drawn == list(trials(40, 5)) != list(trials(40, 6))
    assert len({trial.off for trial in drawn}) == 40
    assert {len(trial.off) for trial in drawn} == set(range(1, SET_MAX + 1))
    assert {name for trial in drawn for name in trial.off} == set(off())


def test_what_takes_two_policies_is_told_from_what_takes_one() -> None:
    """FM_016 needs lease and retry off; with the fence off besides, that is still what it needs."""
    strategy = failure_mode("FM_016").strategy
    trial = Trial(off=("lease", "fence", "retry"), attempts_max=1)
    found = {one.invariant: one for one in hunt(strategy, trial, seed=1, examples=100, say=lambda _: None)}
    assert found["INV_005"].needed == ("lease", "retry")
    assert len(found["INV_005"].actions) == failure_mode("FM_016").shortest


def test_a_trial_with_more_attempts_hides_it() -> None:
    """A job that is not given up is stuck, for want of the lease alone."""
    strategy = evolve(failure_mode("FM_016").strategy, steps=10)
    trial = Trial(off=("lease", "retry"), attempts_max=2)
    needed = [one.needed for one in hunt(strategy, trial, seed=1, examples=100, say=lambda _: None)]
    assert needed == [("lease",)]


def test_the_command_shows_what_it_takes() -> None:
    """As JSON: what was off, what broke, what it takes, and by which actions."""
    result = invoke("explore", "--off", "1", "--seed", "3", "--examples", "30", "--steps", "12", "--json")
    assert result.exit_code == 0
    for one in json.loads(result.stdout):
        assert set(one["needed"]) <= set(one["off"])
        assert one["needed"]
        assert one["actions"]


def test_a_hunt_expects_breaks() -> None:
    """What asks of the guarded system to be right does not go with it."""
    assert invoke("explore", "--off", "1", "--reach-all").exit_code == 2
