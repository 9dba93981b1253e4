"""The limits in the model, to the millisecond; and what a storm is, judged by what was observed."""

import pytest
from attrs import evolve

from model.actions import Enqueue, Fail, Step
from model.events import Event
from model.invariants import Change
from model.invariants.attempts import attempts_are_bounded
from model.limits import failed, has_room, is_open, probed, retried, wait_ms
from model.load import Load
from model.state import Breaker, Durable, Execution, JobState, Settings, Status, initial
from model.step import step
from tests.model.exploring import events_of, run

NO_LIMITS = Settings()
LIMITS = Settings(retries_max=2, window_ms=1_000, failures_max=2, open_ms=500)


def _execution(number: int, *, job: int = 1, attempt: int = 2) -> Execution:
    return Execution(
        id=number, job=job, attempt=attempt, worker="A", status=Status.LEASED, lease_expires_at=30_000
    )


def test_without_a_seed_the_backoff_is_what_it_was() -> None:
    """It doubles, up to its maximum."""
    assert [wait_ms(NO_LIMITS, _execution(1, attempt=n)) for n in (1, 2, 3, 9)] == [1000, 2000, 4000, 60_000]


def test_full_jitter_is_spread_from_nothing_to_the_backoff() -> None:
    """Over a thousand jobs each tenth of the backoff is met, about as often as the others."""
    settings = Settings(jitter_seed=7)
    waits = [wait_ms(settings, _execution(1, job=job, attempt=1)) for job in range(1_000)]
    tenths = [sum(wait // 100 == tenth for wait in waits) for tenth in range(10)]
    assert (min(waits) >= 0, max(waits) < 1_000, sum(tenths)) == (True, True, 1_000)
    assert min(tenths) > 70
    assert waits != [wait_ms(evolve(settings, jitter_seed=8), _execution(1, job=job)) for job in range(1_000)]


def test_the_budget_has_room_again_when_the_window_has_passed() -> None:
    """Of two retries a second at 0 and 100 ms, a third may begin at 1,000 ms, and not before."""
    durable = Durable(retries=(0, 100))
    assert [has_room(LIMITS, durable, now) for now in (100, 999, 1_000)] == [False, False, True]
    assert retried(LIMITS, durable, 1_000).retries == (100, 1_000)
    assert has_room(NO_LIMITS, durable, 100)
    assert retried(NO_LIMITS, durable, 100) is durable


def test_the_breaker_opens_at_its_failure_and_lets_one_probe_through() -> None:
    """The second failure opens it for half a second; then one lease is let through, and the next waits."""
    once, opened = failed(LIMITS, Durable(), 100)
    assert (once.breaker, opened) == (Breaker(failures=1), False)
    twice, opened = failed(LIMITS, once, 200)
    assert (twice.breaker, opened) == (Breaker(failures=2, open_until_at=700), True)
    assert [is_open(twice, now) for now in (200, 699, 700)] == [True, True, False]
    probing = probed(LIMITS, twice, 700)
    assert [is_open(probing, now) for now in (700, 1_199, 1_200)] == [True, True, False]
    assert failed(LIMITS, probing, 800)[0].breaker == Breaker(failures=2, open_until_at=1_300)
    assert probed(LIMITS, once, 700) is once
    assert failed(NO_LIMITS, Durable(), 100) == (Durable(), False)


def test_the_model_opens_and_closes_on_the_record_and_passes_over_a_retry_beyond_the_budget() -> None:
    """A failure opens the breaker, the probe closes it, and the last retry of the budget says that it is."""
    settings = Settings(backoff_ms=0, retries_max=1, failures_max=1)
    a = Step(worker="A")
    state = run(initial(settings=settings, workers=("A",)), Enqueue(key="k1"), a, a)
    state, outcome = step(state, Fail(worker="A"))
    assert [event for event, _ in events_of(outcome)] == ["failed", "opened"]
    assert step(state, a)[1].events == ()
    state, outcome = step(evolve(state, now=30_000), a)
    assert events_of(outcome) == [("leased", None), ("exhausted", "retry_budget")]
    assert (outcome.events[1].job, outcome.events[1].execution) == (1, 2)
    assert state.durable.retries == (30_000,)
    state = run(state, a)
    state, outcome = step(state, Fail(worker="A"))
    assert [event for event, _ in events_of(outcome)] == ["failed", "opened"]
    passed, outcome = step(evolve(state, now=60_000), a)
    assert (passed.durable, outcome.events) == (state.durable, ())
    passed, outcome = step(run(passed, Enqueue(key="k2")), a)
    assert [(event.event, event.job) for event in outcome.events] == [("leased", 2)]
    state = run(evolve(state, now=90_000), a, a, a)
    state, outcome = step(state, a)
    assert [event for event, _ in events_of(outcome)] == ["finished", "closed"]
    assert (state.durable.breaker, state.durable.job_state(1)) == (Breaker(), JobState.SUCCEEDED)


# What is observed.


def _event(event: str, at: int, execution: int = 1) -> Event:
    job = 2 if execution == 4 else 1
    return Event(event=event, operation="-", actor="A", job=job, execution=execution, at=at)


def _judged(load: Load, *events: Event, settings: Settings = LIMITS) -> str | None:
    executions = tuple([_execution(number) for number in (0, 1, 2, 3)])
    after = Durable(executions=(*executions, _execution(4, job=2, attempt=1)))
    return attempts_are_bounded(
        Change(before=after, after=after, events=events, actor="A", at=0, load=load, settings=settings)
    )


TWICE = Load(retries=(0, 100))
BROKEN = Load(failures=2, failed_at=200)


@pytest.mark.parametrize(
    ("load", "events", "said"),
    [
        (TWICE, [_event("leased", 999)], "exec-1 is retry 3 within 1s, and the budget is 2"),
        (TWICE, [_event("leased", 1_000)], None),
        (TWICE, [_event("leased", 999, 4)], None),
        (
            TWICE,
            [_event("leased", 1_000, 2), _event("leased", 1_000, 3)],
            "exec-3 is retry 3 within 1s, and the budget is 2",
        ),
        (
            BROKEN,
            [_event("leased", 699, 4)],
            "exec-4 was leased 0.499s after failure 2 in a row, and the breaker is open for 0.5s",
        ),
        (BROKEN, [_event("leased", 700, 4)], None),
        (Load(failures=1, failed_at=200), [_event("leased", 200, 4)], None),
        (
            Load(failures=1, failed_at=0),
            [_event("failed", 200), _event("leased", 300, 4)],
            "exec-4 was leased 0.1s after failure 2 in a row, and the breaker is open for 0.5s",
        ),
        (BROKEN, [_event("committed", 300), _event("leased", 300, 4)], None),
    ],
)
def test_a_storm_is_a_lease_beyond_the_limits(load: Load, events: list[Event], said: str | None) -> None:
    """One too many within the window, or one while the breaker should be open; to the millisecond."""
    assert _judged(load, *events) == said
    assert _judged(load, *events, settings=NO_LIMITS) is None


def test_what_is_past_does_not_matter_any_more() -> None:
    """At the end of its window a retry is left out, and of a breaker that is due the time of the failure."""
    load = Load(retries=(0, 100), failures=2, failed_at=200)
    assert load.still_counted(699, LIMITS) == load
    assert load.still_counted(700, LIMITS) == Load(retries=(0, 100), failures=2)
    assert load.still_counted(1_050, LIMITS) == Load(retries=(100,), failures=2)
    assert load.after((_event("failed", 300),), Durable(), NO_LIMITS) is load


@pytest.mark.parametrize("event", ["committed", "finished"])
def test_a_success_ends_the_failures_in_a_row(event: str) -> None:
    """The next failure is the first one again."""
    load = BROKEN.after((_event(event, 300),), Durable(), LIMITS)
    assert load == Load()
    assert load.after((_event("failed", 400),), Durable(), LIMITS) == Load(failures=1, failed_at=400)


def test_after_the_clock_was_set_back_nothing_has_happened_later_than_now() -> None:
    """A time that was later counts as now, and what was written is remembered; all else stays."""
    load = Load(retries=(100, 900), failures=1, failed_at=800)
    assert load.set_back(500) == Load(retries=(100, 500), later=(100, 900), failures=1, failed_at=500)
    assert load.set_back(850) == evolve(load, retries=(100, 850), later=(100, 900))
    assert load.set_back(500).set_back(400).written == (100, 900)
    assert Load(retries=(7,)).set_back(500) == Load(retries=(7,))
