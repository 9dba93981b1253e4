"""The command `prove`: it visits every reachable state in a scope, and finds the shortest trace."""

from pathlib import Path
from typing import Any

import click
from attrs import evolve

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT, code_of_finding, worst
from failure_modes.checker.cli.options import (
    BREAKS,
    GRANULARITY,
    KEEP,
    SECONDS,
    STORE,
    WHY,
    WORKERS,
    Mode,
    check_store,
    modes_to_try,
    scoped,
)
from failure_modes.checker.cli.output import warn
from failure_modes.checker.cli.paths import check_new, shown_path
from failure_modes.checker.cli.proof_options import (
    all_reductions,
    bounds_of,
    counted,
    limits_of,
    reductions_of,
    switches,
    tick_seconds,
    with_ticks,
)
from failure_modes.checker.cli.proof_output import ProofPair, show_proof
from failure_modes.checker.cli.settings_options import settings, with_settings
from failure_modes.checker.cli.sharing import PROCESSES, cluster_of, processes_for
from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.experiment.ticks import waits_of
from failure_modes.checker.proof.alphabet import Alphabet
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove as explore_all
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.report.progress import proof_shown
from failure_modes.checker.report.summary import differences_from_expected, trace_of
from failure_modes.checker.search.plans import guards_of
from failure_modes.checker.traces.database import keep


@command()
@click.argument("mode", metavar="[FM]", type=Mode(), required=False)
@BREAKS
@WORKERS
@counted
@tick_seconds
@settings
@GRANULARITY
@STORE
@click.option("--depth", type=click.IntRange(1), help="Stop after traces of this length.")
@SECONDS
@click.option("--states", type=click.IntRange(1), help="Stop after this number of states.")
@PROCESSES
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the progress to this file, or continue from it if it exists. For the guarded system only.",
)
@switches
@KEEP
@WHY
def prove(mode: FailureMode | None, breaks: str | None, **options: Any) -> EXIT:
    """Check every reachable state: find the shortest trace to FM's break, and prove that its fix holds.

    Without FM: prove that the guarded system holds. The scope is FM's own, with the changes of the options.
    The result is complete in that scope, or it names the limit that was reached.

    If FM breaks more than one invariant, each has a proof. --keep and --checkpoint are for the first of them,
    unless --breaks names one.
    """
    if mode is None and options["keep_as"]:
        raise click.UsageError("--keep is for the trace of a failure mode; name one")
    if mode is None and breaks:
        raise click.UsageError("--breaks is for an invariant of a failure mode; name one")
    if mode is not None and options["keep_as"]:
        check_new(mode, options["keep_as"])
    return prove_each(mode, breaks, options)


def prove_each(mode: FailureMode | None, breaks: str | None, options: dict[str, Any]) -> EXIT:
    """Prove each break, and each control once; show the results."""
    guards = guards_of(mode) if mode is not None else ()
    codes: list[EXIT] = []
    for one in (None,) if mode is None else modes_to_try(mode, breaks):
        proved = _prove(one, options, held=one is None or breaks is not None or one in guards)
        codes.append(_code(proved))
        options = {**options, "keep_as": None, "checkpoint": None}
        if proved.interrupted:
            break
    return worst(codes)


def _prove(mode: FailureMode | None, options: dict[str, Any], *, held: bool) -> ProofPair:
    """Prove one break, and show the result. If `held` is true, prove its control, too."""
    usual = Scope() if mode is None else mode.scope
    scope = with_ticks(with_settings(scoped(usual, options), options, ticks=waits_of), options)
    if mode is not None:
        check_store(mode, scope)
    bounds = bounds_of(mode, options)
    if bounds.power_losses:
        scope = evolve(scope, power_loss=True)
    if bounds.thread_heartbeats:
        scope = evolve(scope, threads=True)
    if bounds.rollbacks:
        if scope.power_loss:
            raise click.UsageError("rollbacks need a scope without losses of power")
        scope = evolve(scope, rollback=True)
    if scope.power_loss:
        from failure_modes.checker.simulation.disk.vfs import require

        require()
    try:
        Alphabet(scope, bounds)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    broken = None if mode is None else _broken(mode, scope, bounds, options)
    right = None
    if held and (broken is None or broken.complete):  # a proof that was stopped has to be completed first
        right = _guarded(mode, scope, bounds, options)
    its_own = mode is not None and (scope, bounds) == (mode.scope, mode.bounds)
    wrong = (
        differences_from_expected(mode, broken, right) if mode and its_own and all_reductions(options) else ()
    )
    proved = ProofPair(mode=mode, scope=scope, bounds=bounds, broken=broken, held=right, wrong=wrong)
    show_proof(proved, options["keep_as"], options["why"])
    return proved


def _broken(mode: FailureMode, scope: Scope, bounds: Bounds, options: dict[str, Any]) -> ProofResult:
    proof = Proof(
        scope=scope,
        bounds=bounds,
        fault=mode.fault,
        target=mode.target,
        reductions=reductions_of(mode, options),
        depth_max=options["depth"],
    )
    answer = _explored(
        f"{mode.id}: every trace that may break {mode.breaks}", proof, {**options, "checkpoint": None}
    )
    if options["keep_as"]:
        trace = trace_of(mode, scope, answer, options["why"])
        if trace is None:
            warn("nothing broke, so no trace is kept")
        else:
            click.echo(f"kept: {shown_path(keep(mode, options['keep_as'], trace))}", err=True)
    return answer


def _guarded(mode: FailureMode | None, scope: Scope, bounds: Bounds, options: dict[str, Any]) -> ProofResult:
    proof = Proof(
        scope=scope,
        bounds=bounds,
        fault=guarded if mode is None else mode.control,
        target=None,
        reductions=reductions_of(None, options),
        depth_max=options["depth"],
    )
    return _explored("the guarded system", proof, options)


def _explored(label: str, proof: Proof, options: dict[str, Any]) -> ProofResult:
    processes, limits = processes_for(proof.scope, options), limits_of(options)
    cluster = cluster_of(proof.scope, options)
    with proof_shown(label) as report:
        return explore_all(proof, processes=processes, cluster=cluster, limits=limits, report=report)


def _code(proved: ProofPair) -> EXIT:
    broken, held = proved.broken, proved.held
    if held is not None and held.finding is not None:
        return code_of_finding(held.finding)
    if not all(answer.complete for answer in proved.answers):
        return EXIT.INCONCLUSIVE
    if (broken is not None and broken.finding is None) or proved.wrong:
        return EXIT.NOT_AS_EXPECTED
    return EXIT.AS_EXPECTED
