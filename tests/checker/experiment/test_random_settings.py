"""Settings at random, and the ticks that follow from settings."""

from inspect import signature
from typing import Any

from attrs import evolve, fields, has

from failure_modes.checker.experiment.random_settings import drawn, without_pauses_in_batches
from failure_modes.checker.experiment.scope import Granularity, Scope, StoreKind
from failure_modes.checker.experiment.ticks import ticks_of, waits_of
from failure_modes.checker.traces.scope_json import scope_from_json, scope_to_json
from model.state import Settings
from system.policies import Policies
from system.queue import Queue
from system.worker import Worker

DRAWN = tuple([drawn(Scope(), seed, number) for seed in range(3) for number in range(40)])
AT_SERVER = Scope(store=StoreKind.POSTGRESQL, granularity=Granularity.STATEMENT)
DRAWN_AT_SERVER = tuple([drawn(AT_SERVER, 0, number) for number in range(40)])
OF_SCOPE = {
    "workers": "an option says it",
    "granularity": "an option says it: each is a search of its own",
    "store": "an option says it: each is a search of its own",
    "power_loss": "the weight of an action says it: it needs a world of its own",
    "threads": "the weight of an action says it",
    "rollback": "the weight of an action says it",
    "constraints": "a queue without its indexes is not the guarded one",
    "tick_seconds": "they follow from the settings",
}
"""The fields of a scope that are not drawn, and why not."""

OF_POLICIES = {
    "retry.attempts_max": "attempts_max",
    "retry.backoff_seconds": "backoff_ms",
    "retry.backoff_max_seconds": "backoff_max_ms",
    "retry.jitter_seed": "jitter_seed",
    "budget.retries_max": "retries_max",
    "budget.window_seconds": "window_ms",
    "breaker.failures_max": "failures_max",
    "breaker.open_seconds": "open_ms",
    "reconcile.batch": "reconcile_batch",
    "external.prefix": None,  # a name: in a world there is one queue, and no two names to confuse
}
"""The settings of the policies, and those of the model that say them."""

OF_WORKER = {
    "fused": "fused",
    "poll_seconds": None,  # a sleep ends at once in a run: only the schedule lets time pass
    "wakeups": None,  # a wake-up ends a sleep sooner, and a sleep ends at once in a run
    "handler_seconds": None,  # needs the thread that watches the handler: an action ends it instead
    "grace_seconds": None,  # the same
    "ends_if_held": None,  # the same
    "watch": None,  # the same
    "reconcile_seconds": None,  # a reconciler is a process of its own
    "log": None,  # only people read it
}
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


def test_each_setting_is_drawn_or_it_says_why_not() -> None:
    """A new setting of the queue, of the model or of a scope must be drawn, or be named here."""
    for field in fields(Settings):
        assert len({getattr(scope.settings, field.name) for scope in DRAWN}) > 1, field.name
    for field in fields(Scope):
        varies = len({getattr(scope, field.name) for scope in (*DRAWN, *DRAWN_AT_SERVER[:1])}) > 1
        drawn_at_server = len({getattr(scope, field.name) for scope in DRAWN_AT_SERVER}) > 1
        assert (varies or drawn_at_server) or field.name in OF_SCOPE, field.name
    factories: dict[str, Any] = {policy.name: policy.default for policy in fields(Policies)}
    policies = [
        f"{name}.{field.name}" for name, default in factories.items() for field in _of(default.factory)
    ]
    assert policies == list(OF_POLICIES)
    assert [field.name for field in fields(Queue)] == ["store", "policies", "lease_seconds"]
    given = signature(Worker).parameters.keys() - {"queue", "handler", "name", "clock"}
    assert given == OF_WORKER.keys()
    known = {field.name for field in fields(Settings)}
    said = {name for name in (*OF_POLICIES.values(), *OF_WORKER.values()) if name is not None}
    assert known - said == {"lease_ms", "external"}


def test_no_batch_is_smaller_where_processes_pause_within_statements() -> None:
    """The model does not know which executions such a batch leaves out."""
    assert any(scope.within_statements for scope in DRAWN_AT_SERVER)
    for scope in DRAWN_AT_SERVER:
        assert without_pauses_in_batches(scope) == scope
    given = evolve(AT_SERVER, within_statements=True, settings=Settings(reconcile_batch=1))
    assert not without_pauses_in_batches(given).within_statements
    asked = [drawn(evolve(AT_SERVER, within_statements=True), 0, number) for number in range(8)]
    assert all(scope.within_statements for scope in asked)


def _of(policy: Any) -> tuple[Any, ...]:
    """The fields of a policy; none if it has no settings."""
    return tuple(fields(policy)) if has(policy) else ()


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
