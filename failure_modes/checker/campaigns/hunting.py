"""The hunt for new failure modes: random sets of policies switched off, and what breaks then.

Of a trace that was found it is asked which of the policies have to be off for it: where that takes more than
one, none of them alone shows what happened.
"""

import random
from collections.abc import Callable, Iterator
from functools import partial

from attrs import evolve, frozen

from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.lockstep import run_actions
from failure_modes.checker.search.machine import Search, Tally, run
from failure_modes.checker.search.minimise import shrink
from failure_modes.checker.subject.absent_policies import ABSENT, without
from model.actions import Action
from model.invariants import INVARIANTS
from model.state import Settings

SET_MAX = 4
"""Policies that are switched off at once, at most."""

ATTEMPTS_MAX = 3
"""Attempts of a job, at most: a set is tried with so many, or fewer."""

LIMITED = Settings(jitter_seed=1, retries_max=2, failures_max=2, external=True)
"""Settings under which every policy has something to do."""


@frozen(kw_only=True)
class Break:
    """An invariant that broke with these policies off; `needed` are those without which it does not."""

    off: tuple[str, ...]
    invariant: str
    needed: tuple[str, ...]
    actions: tuple[Action, ...]


@frozen(kw_only=True)
class Trial:
    """Policies to switch off, and how many attempts a job has meanwhile."""

    off: tuple[str, ...]
    attempts_max: int


def trials(number: int, seed: int) -> Iterator[Trial]:
    """So many random ones, no two of the same policies; fewer if there are not so many."""
    chance, names = random.Random(seed), tuple(ABSENT)
    met: set[tuple[str, ...]] = set()
    for _ in range(number * 20):
        if len(met) == number:
            return
        chosen = chance.sample(names, chance.randint(1, SET_MAX))
        drawn = tuple([name for name in names if name in chosen])
        if drawn not in met:
            met.add(drawn)
            yield Trial(off=drawn, attempts_max=chance.randint(1, ATTEMPTS_MAX))


def hunt(
    scope: Scope, strategy: Strategy, trial: Trial, *, seed: int, examples: int, say: Callable[[str], None]
) -> Iterator[Break]:
    """What breaks with these policies off: each invariant is searched for by itself.

    It is the policies that are judged, so the schema has no unique indexes meanwhile.
    """
    names, settings = trial.off, evolve(LIMITED, attempts_max=trial.attempts_max)
    scope = evolve(scope, settings=settings, constraints=False)
    for rule in INVARIANTS:
        target = Target(rule.id)
        swap, what = partial(without, names), f"{', '.join(names)} off: {rule.id}"
        search = Search(
            scope=scope, strategy=strategy, swap=swap, hunted=target, seed=seed, examples=examples
        )
        result = run(search, partial(_come_to, say, what), shrinking=False)
        if result.finding is None:
            continue
        actions = shrink(scope, swap, target, Found(result.finding, result.actions)).actions
        yield Break(
            off=names, invariant=rule.id, needed=_needed(scope, names, target, actions), actions=actions
        )


def _come_to(say: Callable[[str], None], what: str, tally: Tally) -> None:
    say(f"{what}, {tally.examples:,} examples")


def _needed(
    scope: Scope, names: tuple[str, ...], target: Target, actions: tuple[Action, ...]
) -> tuple[str, ...]:
    """The policies that must be off for these actions to break it."""
    needed = names
    for name in names:
        fewer = tuple([other for other in needed if other != name])
        if run_actions(scope, partial(without, fewer), target, actions) is not None:
            needed = fewer
    return needed
