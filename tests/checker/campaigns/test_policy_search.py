"""The hunt: what it switches off, and which of that it takes for a break."""

import os
import signal
import subprocess
import sys

import pytest
from attrs import evolve

from failure_modes.checker.campaigns.policy_search import SET_MAX, Trial, search_without, trials
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.experiment.strategy import UNRESTRICTED, Strategy
from failure_modes.checker.subject.absent_policies import ABSENT
from tests.checker.commands import ROOT, invoke, results_of

SCOPE = Scope()
STRATEGY = Strategy(weights=(("Step", 4), ("Enqueue", 1), ("Crash", 1), ("Reconcile", 1)), steps=15)


def test_sets_are_drawn_from_the_seed_and_differ() -> None:
    """The same seed gives the same sets; each has from one to so many policies, and none comes twice."""
    drawn = list(trials(40, 5))
    assert drawn == list(trials(40, 5)) != list(trials(40, 6))
    assert len({trial.off for trial in drawn}) == 40
    assert {len(trial.off) for trial in drawn} == set(range(1, SET_MAX + 1))
    assert {name for trial in drawn for name in trial.off} == set(ABSENT)


def test_what_takes_two_policies_is_told_from_what_takes_one() -> None:
    """A masked loss needs lease and retry off; with the fence off besides, that is still what it needs."""
    trial = Trial(off=("lease", "fence", "retry"), attempts_max=1)
    found = {
        one.invariant: one
        for one in search_without(SCOPE, STRATEGY, trial, seed=1, examples=100, say=lambda _: None)
    }
    assert found["INV_005"].needed == ("lease", "retry")
    assert len(found["INV_005"].actions) == 3


def test_a_trial_with_more_attempts_hides_it() -> None:
    """A job that is not given up is stuck, for want of the lease alone."""
    strategy = evolve(STRATEGY, steps=10)
    trial = Trial(off=("lease", "retry"), attempts_max=2)
    needed = [
        one.needed for one in search_without(SCOPE, strategy, trial, seed=1, examples=100, say=lambda _: None)
    ]
    assert needed == [("lease",)]


def test_a_job_without_a_key_is_charged_all_the_same() -> None:
    """With idempotency off no job has a key; each is charged for what it asked for, and INV_004 holds."""
    trial = Trial(off=("idempotency",), attempts_max=3)
    found = search_without(
        SCOPE.with_each_tick(), UNRESTRICTED, trial, seed=0, examples=30, say=lambda _: None
    )
    assert "INV_004" not in [one.invariant for one in found]


def test_the_command_shows_what_it_takes() -> None:
    """As JSON: what was off, what broke, what it takes, and by which actions."""
    result = invoke("explore", "--off", "1", "--seed", "4", "--examples", "30", "--steps", "12", "--json")
    assert result.exit_code == 0
    breaks = results_of(result)
    assert breaks
    for one in breaks:
        assert set(one["needed"]) <= set(one["off"])
        assert one["needed"]
        assert one["actions"]


def test_a_hunt_expects_breaks() -> None:
    """What asks of the guarded system to be right does not go with it."""
    assert invoke("explore", "--off", "1", "--reach-all").exit_code == 2


def test_a_hunt_that_is_out_of_time_says_how_many_sets_it_tried() -> None:
    """It ends with the set that it is at, and with exit code 3."""
    options = ("--seed", "3", "--examples", "10", "--steps", "8", "--processes", "1")
    result = invoke("explore", "--off", "3", "--seconds", "0.001", *options)
    assert result.exit_code == 3
    assert result.stdout.splitlines()[-1].startswith("1 of 3 sets: ")


def test_a_hunt_that_is_ended_ends_at_once() -> None:
    """What its processes are in the middle of is not waited for, and none of them is left."""
    command = [sys.executable, "-m", "failure_modes", "explore", "--off", "2", "--examples", "100000"]
    hunt_ = subprocess.Popen(
        [*command, "--processes", "2"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        assert hunt_.stderr is not None
        assert hunt_.stderr.readline().startswith("searching, set ")
        hunt_.terminate()  # as Ctrl-C, which a test's own parent may have switched off
        stdout, stderr = hunt_.communicate(timeout=60)
        assert (hunt_.returncode, stdout) == (
            3,
            "0 of 2 sets: 0 breaks; 0 of them need more than one policy off\n",
        )
        messages = [line for line in stderr.splitlines() if not line.startswith("searching, set ")]
        assert messages == ["interrupted"]
        with pytest.raises(ProcessLookupError):
            _until_none_is_left(hunt_.pid)
    finally:
        if hunt_.returncode is None:
            os.killpg(hunt_.pid, signal.SIGKILL)
            hunt_.communicate()


def _until_none_is_left(group: int) -> None:
    """Until no process is of that group any more: then ProcessLookupError."""
    while True:
        os.killpg(group, 0)
