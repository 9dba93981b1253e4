"""The command `prove`: every reachable state in a scope, and the shortest trace."""

import json
from pathlib import Path
from typing import Any

import click
from attrs import evolve, frozen

from failure_modes.checker.cli.exits import EXIT, check_new, describe, fail, leave, shown_path, usage, worst
from failure_modes.checker.cli.options import (
    BREAKS,
    GRANULARITY,
    JSON,
    PROCESSES,
    SECONDS,
    STORE,
    WORKERS,
    Mode,
    Seconds,
    asked_of,
    check_store,
    processes_for,
    scoped,
)
from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.experiment.scope import Scope, StoreKind, Swap, guarded
from failure_modes.checker.oracle.describe import steps_told
from failure_modes.checker.proof.alphabet import Alphabet
from failure_modes.checker.proof.checkpoint import CheckpointError
from failure_modes.checker.proof.parallel import ShardLost
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import Limits
from failure_modes.checker.proof.proving import prove as explore_all
from failure_modes.checker.proof.result import Disagreement, ProofResult
from failure_modes.checker.report.progress import proof_shown
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.report.summary import not_as_said, trace_of
from failure_modes.checker.search.plans import guards_of
from failure_modes.checker.simulation.content import Unexplorable
from failure_modes.checker.simulation.disk.vfs import require
from failure_modes.checker.simulation.stepping import NotTheSame
from failure_modes.checker.traces.database import keep, path_of
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace import to_json

GUARDED_BOUNDS = Bounds(jobs=2, ticks=1, crashes=1)
"""What may happen when the guarded system is proved for no failure mode in particular."""

_COUNTED = {
    "jobs": "Jobs, each enqueued once.",
    "retries": "Enqueues of a key that was used before.",
    "ticks": "Times that the clock moves on.",
    "crashes": "Crashes, of any process that has something in hand.",
    "failures": "Handlers that raise.",
    "heartbeats": "Handlers that ask for more time.",
    "reconciles": "Runs of the reconciliation.",
    "poisons": "Jobs that kill the worker that runs their handler.",
    "power_losses": "Losses of power.",
}


def _counted(command: Any) -> Any:
    for kind, told in reversed(_COUNTED.items()):
        command = click.option(f"--{kind.replace('_', '-')}", type=click.IntRange(0, 200), help=told)(command)
    return command


def _switches(command: Any) -> Any:
    told = {
        "symmetry": "Tell workers apart.",
        "answers": "Tell processes apart by all that they have seen, and not by what they can remember.",
        "memory": "Take every step anew.",
    }
    for name, help_ in reversed(told.items()):
        command = click.option(f"--no-{name}", name, flag_value=False, default=True, help=help_)(command)
    return click.option(
        "--sleep/--no-sleep",
        default=None,
        help="Try independent actions in one order only. Where statements interleave it is the default.",
    )(command)


@frozen(kw_only=True)
class _Proved:
    """What was asked, and the answers: of the broken system, and with the fault put right."""

    mode: FailureMode | None
    scope: Scope
    bounds: Bounds
    broken: ProofResult | None
    held: ProofResult | None
    wrong: tuple[str, ...]
    """What the scenario says otherwise of its own scope."""


@click.command()
@click.argument("mode", metavar="[FM]", type=Mode(), required=False)
@BREAKS
@WORKERS
@_counted
@click.option(
    "--tick-seconds",
    type=Seconds(0.001, 1e9),
    multiple=True,
    help="How far the clock may move on at once; may be given more than once.",
)
@GRANULARITY
@STORE
@click.option("--depth", type=click.IntRange(1), help="Stop after traces of so many actions.")
@SECONDS
@click.option("--states", type=click.IntRange(1), help="Stop after so many states.")
@PROCESSES
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep here how far it has come; go on from it if it exists. Of FM's fix, not of its break.",
)
@_switches
@click.option("--keep", "keep_as", metavar="NAME", help="Keep the shortest trace in FM's folder.")
@click.option("--why", default="", help="One sentence to keep with the trace.")
@JSON
def prove(mode: FailureMode | None, breaks: str | None, **options: Any) -> None:
    """Check every reachable state: that FM breaks, by a shortest trace, and that its fix holds.

    Without FM: that the guarded system holds. What may happen, and how often, is FM's own scope, or
    what the options say; in that scope the answer is complete, or says which bound was hit.

    What else FM breaks is then proved, too. --keep and --checkpoint are for the first, unless --breaks says
    which.
    """
    if mode is None and options["keep_as"]:
        raise click.UsageError("--keep is for the trace of a failure mode; name one")
    if mode is None and breaks:
        raise click.UsageError("--breaks is for what a failure mode breaks; name one")
    if mode is not None and options["keep_as"]:
        check_new(mode, options["keep_as"])
    guards = guards_of(mode) if mode is not None else ()
    proved = []
    for one in (None,) if mode is None else asked_of(mode, breaks):
        proved.append(_prove(one, options, held=one is None or breaks is not None or one in guards))
        options = {**options, "keep_as": None, "checkpoint": None}
        if "interrupted" in [answer.bound for answer in (proved[-1].broken, proved[-1].held) if answer]:
            break
    if options["json_"]:
        first, *others = [_json(one) for one in proved]
        click.echo(json.dumps({**first, "then": others}))
    leave(worst([_exit(one) for one in proved]))


def _prove(mode: FailureMode | None, options: dict[str, Any], *, held: bool) -> _Proved:
    """Prove one of the things that it breaks, and show it; `held`: with the fault put right, too."""
    scope = scoped(Scope() if mode is None else mode.scope, options)
    if mode is not None:
        check_store(mode, scope)
    bounds = _bounds(mode, options)
    if bounds.power_losses:
        scope = evolve(scope, power_loss=True)
    if scope.power_loss:
        require()
    try:
        Alphabet(scope, bounds)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    broken = None if mode is None else _broken(mode, scope, bounds, options)
    right = None
    if held and (broken is None or broken.complete):  # else it was stopped, and its question comes first
        base = guarded if mode is None else mode.control
        right = _explore("the guarded system", scope, bounds, options, _limits(options), base)
    reduced = all(options[name] for name in ("symmetry", "answers", "memory")) and options["sleep"] is None
    its_own = mode is not None and (scope, bounds) == (mode.scope, mode.bounds)
    wrong = not_as_said(mode, broken, right) if mode is not None and its_own and reduced else ()
    proved = _Proved(mode=mode, scope=scope, bounds=bounds, broken=broken, held=right, wrong=wrong)
    if not options["json_"]:
        _tell(proved, options)
    return proved


def _tell(proved: _Proved, options: dict[str, Any]) -> None:
    mode, scope = proved.mode, proved.scope
    name = "guarded system" if mode is None else f"{mode.id} {mode.title}"
    click.echo(f"{name}: {_told(scope, proved.bounds)}")
    if mode is not None and proved.broken is not None:
        _tell_broken(mode, scope, proved.broken, options["keep_as"], options["why"])
    if proved.held is not None:
        _tell_held(mode, scope, proved.held)
    for wrong in proved.wrong:
        click.echo(f" not as its scenario.py says: {wrong}")


def _broken(mode: FailureMode, scope: Scope, bounds: Bounds, options: dict[str, Any]) -> ProofResult:
    limits = evolve(_limits(options), checkpoint=None)
    what = f"{mode.id}: every way to break {mode.breaks}"
    answer = _explore(what, scope, bounds, options, limits, mode.fault, mode)
    if options["keep_as"]:
        trace = trace_of(mode, scope, answer, options["why"])
        if trace is None:
            click.echo("nothing broke, so nothing is kept", err=True)
        else:
            path = usage(keep, mode, options["keep_as"], trace)
            click.echo(f"kept: {shown_path(path)}", err=True)
    return answer


def _explore(
    what: str,
    scope: Scope,
    bounds: Bounds,
    options: dict[str, Any],
    limits: Limits,
    swap: Swap,
    mode: FailureMode | None = None,
) -> ProofResult:
    proof = Proof(
        scope=scope,
        bounds=bounds,
        swap=swap,
        target=None if mode is None else mode.target,
        reductions=Reductions(
            symmetry=options["symmetry"] and (mode is None or mode.symmetric),
            **{name: options[name] for name in ("sleep", "answers", "memory")},
        ),
        depth_max=options["depth"],
    )
    try:
        with proof_shown(what) as report:
            return explore_all(proof, processes=processes_for(scope, options), limits=limits, report=report)
    except (CheckpointError, Unexplorable, NotTheSame) as error:
        fail(str(error))
    except ShardLost as error:
        click.echo(f"error: {error}", err=True)
        leave(EXIT.BOUND_HIT)
    except OSError as error:
        fail(describe(error))
    except Disagreement as error:
        click.echo(f"error: {error}", err=True)
        leave(EXIT.NOT_AS_EXPECTED)


def _bounds(mode: FailureMode | None, options: dict[str, Any]) -> Bounds:
    bounds = GUARDED_BOUNDS if mode is None else mode.bounds
    changes = {kind: options[kind] for kind in _COUNTED if options[kind] is not None}
    for seconds in options["tick_seconds"]:
        if round(seconds * 1000) / 1000 != seconds:
            raise click.UsageError(f"--tick-seconds {seconds}: whole milliseconds only")
    if options["tick_seconds"]:
        changes["tick_seconds"] = tuple(dict.fromkeys(options["tick_seconds"]))
    return evolve(bounds, **changes)


def _limits(options: dict[str, Any]) -> Limits:
    return Limits(
        seconds_max=options["seconds"], states_max=options["states"], checkpoint=options["checkpoint"]
    )


def _told(scope: Scope, bounds: Bounds) -> str:
    store = "" if scope.store is StoreKind.SQLITE else f", {scope.store}"
    return f"{bounds.told}; {scope.told}, {scope.granularity} granularity{store}"


def _tell_broken(mode: FailureMode, scope: Scope, answer: ProofResult, keep_as: str | None, why: str) -> None:
    trace = trace_of(mode, scope, answer, why)
    if trace is None:
        said = "is broken in no reachable state of this scope" if answer.complete else _stopped(answer)
        click.echo(f" the broken system: {mode.breaks} {said}: {_counts(answer)}")
        return
    command = f"nox -s replay -- {shown_path(path_of(mode, keep_as))}" if keep_as else None
    click.echo(rendered(replay(trace), command=command, shortest=True))
    click.echo(
        f" no trace of fewer than {steps_told(len(answer.actions))} breaks {mode.breaks}: {_counts(answer)}"
    )


def _tell_held(mode: FailureMode | None, scope: Scope, answer: ProofResult) -> None:
    trace = trace_of(None, scope, answer, "")
    if trace is not None:
        base = mode.control if mode else guarded
        click.echo(rendered(replay(trace, base=base), shortest=True))
        click.echo(f" {_right(mode)} breaks: {_counts(answer)}")
    elif answer.complete:
        without = f"{mode.control_note}: " if mode and mode.control_note else ""
        prevented = f"{without}prevented by {mode.policy}: " if mode else ""
        click.echo(f" {prevented}complete, nothing breaks in any reachable state: {_counts(answer)}")
    else:
        click.echo(f" {_right(mode)}: {_stopped(answer)}: {_counts(answer)}")


def _right(mode: FailureMode | None) -> str:
    """What is looked at where no fault is put in."""
    return f"the right system, {mode.control_note}," if mode and mode.control_note else "the guarded system"


def _stopped(answer: ProofResult) -> str:
    if answer.bound == "depth":
        return f"not broken by any trace of up to {answer.depth} steps; not complete, --depth was hit"
    if answer.bound == "interrupted":
        return f"not complete: interrupted at depth {answer.depth}"
    return f"not complete: --{answer.bound} was hit at depth {answer.depth}"


def _counts(answer: ProofResult) -> str:
    counts = answer.counts
    aside = (
        f", {counts.off_target:,} ways left where another invariant broke first" if counts.off_target else ""
    )
    return (
        f"{counts.states:,} states, {counts.transitions:,} transitions, {answer.seconds:.1f} s, "
        f"{answer.peak_memory_mb:,.0f} MB{aside}"
    )


def _json(proved: _Proved) -> dict[str, Any]:
    """The last answer; `shortest`, `complete` and `bound` say of both.

    `holds` is None where the same has been asked for what is broken before it.
    """
    mode, scope, broken, held = proved.mode, proved.scope, proved.broken, proved.held
    answers = [answer for answer in (broken, held) if answer is not None]
    found = next((answer for answer in answers if answer.finding is not None), None)
    asked_before = held is None and broken is not None and broken.complete
    trace = None if found is None else trace_of(mode if found is broken else None, scope, found, "")
    return {
        **answers[-1].as_json(),
        "failure_mode": mode.id if mode else None,
        "scope": _told(scope, proved.bounds),
        "complete": all(answer.complete for answer in answers),
        "bound": next((answer.bound for answer in answers if answer.bound), None),
        "shortest": None if found is None else found.shortest,
        "holds": None if asked_before else held is not None and held.complete and held.finding is None,
        "broken": broken.as_json() if broken else None,
        "trace": json.loads(to_json(trace)) if trace else None,
    }


def _exit(proved: _Proved) -> EXIT:
    broken, held = proved.broken, proved.held
    if held is not None and held.finding is not None:
        return EXIT.NOT_AS_EXPECTED
    if not all(answer.complete for answer in (broken, held) if answer is not None):
        return EXIT.BOUND_HIT
    if (broken is not None and broken.finding is None) or proved.wrong:
        return EXIT.NOT_AS_EXPECTED
    return EXIT.AS_EXPECTED
