"""The output of `explore --off`: the breaks for each set of policies, and the policies that they need off."""

from typing import Any

from attrs import frozen

from failure_modes.checker.campaigns.policy_search import LIMITED, Break, Trial, search_without, trials
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.output import Verdict, output, show, warn
from failure_modes.checker.cli.sharing import pool_of, processes_for
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.oracle.describe import steps_described
from failure_modes.checker.report.progress import ProgressLines
from failure_modes.checker.traces.trace import action_to_json
from system.clock import Stopwatch


@frozen(kw_only=True)
class _SetSearch:
    """The search with one set of policies off. `label` is its number, for people."""

    trial: Trial
    scope: Scope
    strategy: Strategy
    seed: int
    examples: int
    label: str


def search_policies(
    scope: Scope, strategy: Strategy, number: int, options: dict[str, Any], *, random_settings: bool = False
) -> EXIT:
    """Search with random sets of policies switched off.

    As expected unless the guarded system breaks. Inconclusive if the search ended before all sets were tried.
    """
    seed, watch, limit = options["seed"], Stopwatch(), options["seconds"]
    chosen = tuple(trials(number, seed, random_settings=random_settings))
    searches = [
        _SetSearch(
            trial=trial,
            scope=scope,
            strategy=strategy,
            seed=seed,
            examples=options["examples"],
            label=f"set {at} of {len(chosen)}",
        )
        for at, trial in enumerate(chosen, start=1)
    ]
    processes = processes_for(scope, options)
    found: list[tuple[Break, ...]] = []
    try:
        with pool_of(options, processes, scope=scope) as pool:
            for search, breaks in zip(searches, pool.in_order(_found, searches, processes), strict=True):
                found.append(breaks)
                _show(search, breaks)
                if limit is not None and watch.seconds > limit:
                    break
    except KeyboardInterrupt:
        warn("interrupted")
    return _code(chosen, found)


def _found(search: _SetSearch) -> tuple[Break, ...]:
    """The breaks with one set of policies off. Runs in a process of the pool."""
    lines = ProgressLines(f"searching, {search.label}")
    return tuple(
        search_without(
            search.scope,
            search.strategy,
            search.trial,
            seed=search.seed,
            examples=search.examples,
            say=lines.note,
        )
    )


def _show(search: _SetSearch, breaks: tuple[Break, ...]) -> None:
    trial = search.trial
    attempts = f"{trial.attempts_max} attempt{'s' * (trial.attempts_max > 1)} a job"
    drawn = "" if trial.settings == LIMITED else f"; {Scope(settings=trial.settings).description}"
    show(f"off: {', '.join(trial.off)}; {attempts}{drawn}")
    for one in breaks:
        show(f"   {one.invariant} in {steps_described(len(one.actions))}, {_described(one)}")


def _code(chosen: tuple[Trial, ...], tried: list[tuple[Break, ...]]) -> EXIT:
    found = [one for breaks in tried for one in breaks]
    for one in found:
        _add(one)
    together = [one for one in found if len(one.needed) > 1]
    sets = f"{len(tried)} of {len(chosen)} sets"
    show(f"{sets}: {len(found)} breaks; {len(together)} of them need more than one policy off")
    if not all(one.needed for one in found):
        return EXIT.NOT_AS_EXPECTED
    if tried and not found:
        warn("no set broke anything; so the searches prove nothing: try more --examples or --steps")
        return EXIT.INCONCLUSIVE
    return EXIT.AS_EXPECTED if len(tried) == len(chosen) else EXIT.INCONCLUSIVE


def _described(one: Break) -> str:
    if len(one.needed) > 1:
        return f"needs {' and '.join(one.needed)} off together"
    return f"needs {one.needed[0]} off" if one.needed else "needs no policy off: the guarded system breaks"


def _add(one: Break) -> None:
    output().add(
        Verdict.BROKEN,
        off=one.off,
        breaks=one.invariant,
        needed=one.needed,
        actions=[action_to_json(action) for action in one.actions],
    )
