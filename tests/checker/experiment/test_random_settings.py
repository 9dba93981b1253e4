"""Settings at random, and the ticks that follow from settings."""

from attrs import fields

from failure_modes.checker.experiment.random_settings import drawn
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.experiment.ticks import ticks_of, waits_of
from failure_modes.checker.traces.scope_json import scope_from_json, scope_to_json
from model.state import Settings

DRAWN = tuple([drawn(Scope(), seed, number) for seed in range(3) for number in range(40)])
TIMES = tuple([field.name for field in fields(Settings) if field.name.endswith("_ms")])


def test_the_same_seed_and_number_draw_the_same_settings() -> None:
    """Nothing but the seed and the number decides; another seed draws others."""
    again = tuple([drawn(Scope(), seed, number) for seed in range(3) for number in range(40)])
    assert again == DRAWN
    assert DRAWN[:40] != DRAWN[40:80]


def test_no_drawn_time_is_another_one_or_a_default() -> None:
    """A constant in the place of a setting shows, and so do two settings that are swapped."""
    defaults = {getattr(Settings(), name) for name in TIMES}
    for scope in DRAWN:
        times = [getattr(scope.settings, name) for name in TIMES]
        assert len(set(times)) == len(times)
        assert not defaults.intersection(times)


def test_the_limits_are_there_alone_and_together_and_not_at_all() -> None:
    """A budget without a breaker is drawn, and a breaker without a budget."""
    limits = {(one.settings.retries_max is None, one.settings.failures_max is None) for one in DRAWN[:4]}
    assert len(limits) == 4


def test_drawn_settings_are_kept_in_a_trace() -> None:
    """The scope of a trace has them all."""
    for scope in DRAWN:
        assert scope_from_json(scope_to_json(scope)) == scope


def test_the_ticks_of_the_usual_settings() -> None:
    """A lease can end just before, at, or just after a tick."""
    assert Scope().with_each_tick().tick_seconds == (30, 29.999, 0.001, 1)


def test_each_wait_that_there_is_has_a_tick() -> None:
    """A lease, a backoff, a window and an open breaker can each run out at once."""
    limited = Settings(lease_ms=7_000, backoff_ms=500, retries_max=1, window_ms=11_000, failures_max=1)
    assert waits_of(limited) == (7, 0.5, 11, 30)
    assert ticks_of(limited) == (7, 6.999, 0.001, 0.5, 11, 30)
