"""What is taken of some actions, and when a run ends: the run is recorded input."""

from typing import Any

import pytest
from attrs import define, field

from failure_modes.checker.experiment.findings import Finding, Found
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.run import play, take_all
from model.actions import Action, Crash, Enqueue, Fail, Hang, Step, Tick, TimeOut
from model.state import Settings

ACTIONS: tuple[Action, ...] = tuple([Tick(seconds=number) for number in range(1, 5)])
IMPOSSIBLE, LAST_BUT_ONE, LAST = ACTIONS[1], ACTIONS[2], ACTIONS[3]
A, B = Step(worker="A"), Step(worker="B")


@define
class Recorded:
    """A run that is over after an action, or in which something is found."""

    over_after: Action | None = None
    found_at: Action | None = None
    done: list[object] = field(factory=list)

    @property
    def over(self) -> bool:
        """True if that action was taken."""
        return self.over_after in self.done

    def possible(self, action: Action) -> bool:
        """False for one action."""
        return action != IMPOSSIBLE

    def apply(self, action: Action) -> None:
        """Note the action."""
        self.done.append(action)
        if action == self.found_at:
            finding = Finding(invariant="INV_001", step=len(self.done), expected="one", got="two")
            raise Found(finding, ())

    def finish(self) -> None:
        """Note it."""
        self.done.append("finished")

    def close(self) -> None:
        """Note it."""
        self.done.append("closed")


@pytest.mark.parametrize("ending", [False, True])
def test_what_cannot_happen_is_left_out_and_the_end_is_judged_if_asked(ending: bool) -> None:
    """The run is closed in any case."""
    run: Any = Recorded()
    played = play(run, ACTIONS, ending=ending)
    assert (played.found, played.skipped) == (None, (IMPOSSIBLE,))
    assert run.done == [ACTIONS[0], LAST_BUT_ONE, LAST, *["finished"] * ending, "closed"]


def test_a_run_that_is_over_goes_on_unless_it_is_to_stop() -> None:
    """Its end is not judged."""
    for stops in (False, True):
        run: Any = Recorded(over_after=LAST_BUT_ONE)
        take_all(run, ACTIONS, ending=True, stops_when_over=stops)
        assert run.done == [ACTIONS[0], LAST_BUT_ONE, *[LAST] * (not stops)]
    for taken in (play, take_all):
        usual: Any = Recorded(over_after=LAST_BUT_ONE)
        taken(usual, ACTIONS, ending=True)
        assert usual.done == [ACTIONS[0], LAST_BUT_ONE, LAST, *["closed"] * (taken is play)]


def test_what_is_found_ends_the_run() -> None:
    """What was left out before is known, and what came after did not happen."""
    run: Any = Recorded(found_at=LAST_BUT_ONE)
    played = play(run, ACTIONS, ending=True)
    assert played.found is not None
    assert (played.found.finding.step, played.skipped) == (2, (IMPOSSIBLE,))
    assert run.done == [ACTIONS[0], LAST_BUT_ONE, "closed"]


def test_a_schedule_has_a_choice_where_a_process_rests_or_is_in_its_handler() -> None:
    """Before its other transactions it only goes on."""
    with Lockstep(Scope()) as run:
        choices = []
        for action in (Enqueue(key="k1"), A, A, A, Tick(seconds=1)):
            run.apply(action)
            choices.append(run.is_choice_point(action))
    assert choices == [True, False, True, False, True]


def test_a_retry_that_the_budget_leaves_alone_is_noted() -> None:
    """The lease that passed over it is the one that notes it; a lease that takes it is not."""
    fails = (A, A, Fail(worker="A"))
    with Lockstep(Scope(settings=Settings(retries_max=1))) as run:
        for action in (Enqueue(key="k1"), Enqueue(key="k2"), *fails, *fails, Tick(seconds=4), A):
            run.apply(action)
        assert run.ledger.sometimes["a retry was passed over"] == 0
        run.apply(B)
        assert run.ledger.sometimes["a retry was passed over"] == 1


@pytest.mark.parametrize(("ends", "noted"), [((), 1), ((Crash(worker="A"),), 0), ((TimeOut(worker="A"),), 0)])
def test_a_handler_hangs_until_its_process_is_killed_or_it_is_timed_out(
    ends: tuple[Action, ...], noted: int
) -> None:
    """Then the lease that runs out is one of a hung handler no more."""
    with Lockstep(Scope()) as run:
        for action in (Enqueue(key="k1"), A, A, Hang(worker="A"), *ends, A, A, Tick(seconds=91), B):
            if run.possible(action):
                run.apply(action)
        assert run.ledger.sometimes["a handler hung"] == 1
        assert run.ledger.sometimes["the lease of a hung handler ran out"] == noted
