"""What `explore --off` shows: which sets of policies break what, and which of them it takes."""

from typing import Any

from attrs import frozen

from failure_modes.checker.campaigns.hunting import LIMITED, Break, Trial, hunt, trials
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import processes_for
from failure_modes.checker.cli.output import Verdict, output, show, warn
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.oracle.describe import steps_described
from failure_modes.checker.report.progress import Lines
from failure_modes.checker.support.process_pool import Pool
from failure_modes.checker.traces.trace import action_to_json
from system.clock import Stopwatch


@frozen(kw_only=True)
class _Asked:
    """One set, and how it is hunted: `place` is its number and that of all, for people."""

    trial: Trial
    scope: Scope
    strategy: Strategy
    seed: int
    examples: int
    place: str


def hunt_and_show(
    scope: Scope, strategy: Strategy, number: int, options: dict[str, Any], *, random_settings: bool = False
) -> EXIT:
    """Search with so many random sets of policies switched off.

    As expected unless the guarded system breaks; inconclusive if it was stopped before all sets were tried.
    """
    seed, watch, limit = options["seed"], Stopwatch(), options["seconds"]
    chosen = tuple(trials(number, seed, random_settings=random_settings))
    asked = [
        _Asked(
            trial=trial,
            scope=scope,
            strategy=strategy,
            seed=seed,
            examples=options["examples"],
            place=f"set {at} of {len(chosen)}",
        )
        for at, trial in enumerate(chosen, start=1)
    ]
    processes = processes_for(scope, options)
    found: list[tuple[Break, ...]] = []
    try:
        with Pool(processes) as pool:
            for one, breaks in zip(asked, pool.in_order(_found, asked, processes), strict=True):
                found.append(breaks)
                _show(one, breaks)
                if limit is not None and watch.seconds > limit:
                    break
    except KeyboardInterrupt:
        warn("interrupted")
    return _code(chosen, found)


def _found(asked: _Asked) -> tuple[Break, ...]:
    """What breaks. Runs in a process of the pool."""
    lines = Lines(f"hunting, {asked.place}")
    return tuple(
        hunt(
            asked.scope, asked.strategy, asked.trial, seed=asked.seed, examples=asked.examples, say=lines.note
        )
    )


def _show(asked: _Asked, breaks: tuple[Break, ...]) -> None:
    trial = asked.trial
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
    show(f"{sets}: {len(found)} breaks; {len(together)} that no policy shows alone")
    if not all(one.needed for one in found):
        return EXIT.NOT_AS_EXPECTED
    return EXIT.AS_EXPECTED if len(tried) == len(chosen) else EXIT.INCONCLUSIVE


def _described(one: Break) -> str:
    if len(one.needed) > 1:
        return f"for want of {' and '.join(one.needed)} together"
    return (
        f"for want of {one.needed[0]}"
        if one.needed
        else "and with every policy on: the guarded system breaks"
    )


def _add(one: Break) -> None:
    output().add(
        Verdict.BROKEN,
        off=one.off,
        breaks=one.invariant,
        needed=one.needed,
        actions=[action_to_json(action) for action in one.actions],
    )
