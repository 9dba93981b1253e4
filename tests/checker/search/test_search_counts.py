"""What a search of our queue counts of a run, and what it takes for a wasted action."""

from attrs import evolve

from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.search.search import Search
from failure_modes.checker.search.statistics import SearchStatistics
from model.actions import Crash, Enqueue, Step, Tick

SEARCH = Search(scope=Scope(), strategy=UNRESTRICTED, fault=guarded, target=None, seed=0, examples=1)
A, B, K1 = Step(worker="A"), Step(worker="B"), Enqueue(key="k1")


def test_a_worker_that_asked_in_vain_has_done_nothing() -> None:
    """Each other action counts, also one that finds the store as it was."""
    with Lockstep(Scope()) as run:
        done = [SEARCH.take(run, action) for action in (A, K1, K1, A, A, B, Tick(seconds=1))]
    assert done == [False, True, True, True, True, False, True]


def test_the_counts_of_a_run_name_each_outcome_with_its_reason() -> None:
    """Actions are counted by their kinds."""
    with Lockstep(Scope()) as run:
        for action in (K1, A, A, Tick(seconds=31), B, A, Crash(worker="B")):
            run.apply(action)
        counts = SEARCH.counts_of(run)
    assert counts.steps == 7
    assert counts.actions == {"Enqueue": 1, "Step": 4, "Tick": 1, "Crash": 1}
    assert counts.outcomes == {
        "enqueue: enqueued": 1,
        "lease: leased": 2,
        "lease: expired": 1,
        "start: started": 1,
        "commit: refused (lease_lost)": 1,
    }
    assert counts.off_target is None


def test_statistics_count_examples_and_the_first_sight_of_a_state() -> None:
    """What an example saw again is of the first example."""
    statistics = SearchStatistics()
    with Lockstep(Scope()) as run:
        run.apply(K1)
        for state in ("a", "b", "a"):
            statistics.add(SEARCH.counts_of(run), None)
            statistics.see(state)
    assert (statistics.examples, statistics.steps, statistics.actions) == (3, 3, {"Enqueue": 3})
    assert (statistics.states, statistics.last_new_state) == ({"a": 1, "b": 2}, 2)
    assert (statistics.shortest, statistics.examples_to_first) == (None, None)


def test_the_same_situation_at_a_later_time_is_the_same_state() -> None:
    """A search for a target counts no states: it may end before it has seen them."""
    states = []
    for first in ((Tick(seconds=1),), (Tick(seconds=7),), (Tick(seconds=1), A)):
        with Lockstep(Scope()) as run:
            for action in (*first, K1, A, A):
                run.apply(action)
            states.append(SEARCH.state_of(run))
            assert evolve(SEARCH, target=Target("INV_001")).state_of(run) is None
            run.apply(Tick(seconds=1))
            assert SEARCH.state_of(run) != states[0]
    assert states[0] is not None
    assert states[0] == states[1] == states[2]
