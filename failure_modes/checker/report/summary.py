"""The result of a search, as JSON and as lines of text."""

import json
from collections import Counter
from typing import Any

from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.experiment.scope import Granularity, Scope
from failure_modes.checker.oracle.sometimes import (
    ANYWHERE,
    AT_STATEMENTS,
    OF_GATEWAY,
    OF_LIMITS,
    OF_PAYLOAD,
    OF_SETTINGS,
)
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.search.search import Result
from failure_modes.checker.traces.trace import Breaks, Trace, to_json


def trace_of(mode: FailureMode | None, scope: Scope, result: Result | ProofResult, why: str) -> Trace | None:
    """The trace of the finding of a search or a proof; None if there is no finding."""
    finding = result.finding
    if finding is None:
        return None
    return Trace(
        failure_mode=mode.id if mode else None,
        scope=scope,
        breaks=Breaks(invariant=finding.invariant, step=finding.step),
        why=why or finding.got,
        actions=result.actions,
    )


def differences_from_expected(
    mode: FailureMode, broken: ProofResult | None, held: ProofResult | None
) -> tuple[str, ...]:
    """The differences between the proof results and the expected numbers of the scenario."""
    wrong, expected = [], mode.expected
    if broken is not None and broken.finding is not None and broken.shortest != expected.shortest:
        wrong.append(f"shortest={expected.shortest}, but the proof found {broken.shortest}")
    if held is not None and held.complete and held.finding is None and held.counts.states != expected.states:
        wrong.append(f"states={expected.states}, but the proof found {held.counts.states}")
    return tuple(wrong)


def as_json(result: Result, trace: Trace | None) -> dict[str, Any]:
    """The result as a JSON object."""
    statistics = result.statistics
    return {
        "found": result.finding is not None,
        "breaks": result.finding.invariant if result.finding else None,
        "examples": statistics.examples,
        "steps": statistics.steps,
        "seconds_to_first": _rounded(statistics.seconds_to_first),
        "seconds_total": _rounded(statistics.stopwatch.seconds),
        "length": len(result.actions) if result.finding else None,
        "trace": json.loads(to_json(trace)) if trace else None,
        "sometimes": dict(sorted(statistics.sometimes.items())),
    }


def explored(result: Result) -> dict[str, Any]:
    """The further keys of `explore`: the counts of what was reached, and the age of the last new state."""
    statistics = result.statistics
    return {
        "actions": dict(sorted(statistics.actions.items())),
        "outcomes": dict(sorted(statistics.outcomes.items())),
        "distinct_states": len(statistics.states),
        "examples_since_new_state": statistics.examples - statistics.last_new_state,
    }


def totals(result: Result) -> str:
    """The number of examples, steps and states of a search."""
    statistics = result.statistics
    states = f"{len(statistics.states):,} distinct states"
    return f"{statistics.examples:,} examples, {statistics.steps:,} steps, {states}"


def unreached(wanted: tuple[str, ...], result: Result) -> tuple[str, ...]:
    """The wanted properties that the search never reached."""
    return tuple([name for name in wanted if not result.statistics.sometimes[name]])


def properties(scope: Scope, *, random_settings: bool = False) -> tuple[str, ...]:
    """All `sometimes` properties that are possible at the granularity of the scope.

    `random_settings`: with those that only some settings make possible.
    """
    at_statements = scope.granularity is Granularity.STATEMENT
    of_settings: tuple[str, ...] = ()
    if random_settings:
        of_settings = (*OF_LIMITS, OF_GATEWAY, *OF_SETTINGS, *(() if at_statements else (OF_PAYLOAD,)))
    return ANYWHERE + of_settings + (AT_STATEMENTS if at_statements else ())


def reached(wanted: tuple[str, ...], result: Result) -> str:
    """The number of times that each of the wanted properties was reached."""
    return _counts("reached", Counter({name: result.statistics.sometimes[name] for name in wanted}))


def everything_reached(wanted: tuple[str, ...], result: Result) -> str:
    """All counts of a search, those of the wanted properties too, and the age of its last new state."""
    statistics = result.statistics
    since = statistics.examples - statistics.last_new_state
    return "\n".join(
        [
            _counts("actions", statistics.actions),
            _counts("outcomes", statistics.outcomes),
            _counts("sometimes", Counter({name: statistics.sometimes[name] for name in wanted})),
            f" last new state: {since:,} examples before the end",
        ]
    )


def _counts(title: str, counts: Counter[str]) -> str:
    width = max([len(name) for name in counts], default=0)
    lines = [f"   {name.ljust(width)}  {count:>9,}" for name, count in sorted(counts.items())]
    return "\n".join([f" {title}:", *lines])


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
