"""Search for new failure modes: switch off random sets of policies, and search for a break of each invariant.

For each trace, the module computes which policies must be off for it. If a trace needs more than one, it
shows a failure that no policy alone shows.
"""

import random
from collections.abc import Callable, Iterator
from functools import partial

from attrs import evolve, frozen

from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.random_settings import with_all_limits
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.lockstep import run_actions
from failure_modes.checker.search.minimise import shrink
from failure_modes.checker.search.search import Search, run
from failure_modes.checker.search.statistics import SearchStatistics
from failure_modes.checker.subject.absent_policies import ABSENT, without
from model.actions import Action
from model.invariants import INVARIANTS
from model.state import Settings

SET_MAX = 4
"""The number of policies that are switched off together, at most."""

ATTEMPTS_MAX = 3
"""The largest number of attempts of a job. The number is drawn for each set."""

LIMITED = Settings(jitter_seed=1, retries_max=2, failures_max=2, external=True)
"""Settings with which every policy has an effect."""


@frozen(kw_only=True)
class Break:
    """An invariant that broke with the policies `off`. Its trace needs all of `needed` to be off."""

    off: tuple[str, ...]
    invariant: str
    needed: tuple[str, ...]
    actions: tuple[Action, ...]


@frozen(kw_only=True)
class Trial:
    """The policies to switch off, and the number of attempts of a job."""

    off: tuple[str, ...]
    attempts_max: int
    settings: Settings = LIMITED


def trials(number: int, seed: int, *, random_settings: bool = False) -> Iterator[Trial]:
    """Draw random trials with different policies; fewer than `number` if there are fewer sets.

    `random_settings`: each has settings of its own, too, under which every policy has something to do.
    """
    chance, names = random.Random(seed), tuple(ABSENT)
    seen: set[tuple[str, ...]] = set()
    for _ in range(number * 20):
        if len(seen) == number:
            return
        chosen = chance.sample(names, chance.randint(1, SET_MAX))
        drawn = tuple([name for name in names if name in chosen])
        if drawn not in seen:
            seen.add(drawn)
            trial = Trial(off=drawn, attempts_max=chance.randint(1, ATTEMPTS_MAX))
            yield evolve(trial, settings=with_all_limits(seed, len(seen))) if random_settings else trial


def search_without(
    scope: Scope, strategy: Strategy, trial: Trial, *, seed: int, examples: int, say: Callable[[str], None]
) -> Iterator[Break]:
    """Search with these policies off, once for each invariant, and yield the breaks.

    The schema has no unique indexes, because an index would hide that a policy is missing.
    """
    names, settings = trial.off, evolve(trial.settings, attempts_max=trial.attempts_max)
    scope = evolve(scope, settings=settings, constraints=False)
    if trial.settings != LIMITED:
        scope = scope.with_each_tick()
    for rule in INVARIANTS:
        target = Target(rule.id)
        fault, label = partial(without, names), f"{', '.join(names)} off: {rule.id}"
        search = Search(
            scope=scope, strategy=strategy, fault=fault, target=target, seed=seed, examples=examples
        )
        result = run(search, partial(_progress, say, label), shrinking=False)
        if result.finding is None:
            continue
        actions = shrink(scope, fault, target, Found(result.finding, result.actions)).actions
        yield Break(
            off=names, invariant=rule.id, needed=_needed(scope, names, target, actions), actions=actions
        )


def _progress(say: Callable[[str], None], label: str, statistics: SearchStatistics) -> None:
    say(f"{label}, {statistics.examples:,} examples")


def _needed(
    scope: Scope, names: tuple[str, ...], target: Target, actions: tuple[Action, ...]
) -> tuple[str, ...]:
    """The policies that must be off for these actions to break the invariant."""
    needed = names
    for name in names:
        fewer = tuple([other for other in needed if other != name])
        if run_actions(scope, partial(without, fewer), target, actions) is not None:
            needed = fewer
    return needed
