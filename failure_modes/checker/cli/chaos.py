"""The command `chaos`: real processes are killed at random moments, and then an audit checks the database."""

import tempfile
from pathlib import Path

import click
from attrs import asdict

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import STORE, Mode, Seconds, seed_of
from failure_modes.checker.cli.output import Verdict, interrupted, output, show, warn
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.real.chaos import description, run
from failure_modes.checker.real.chaos_audit import AuditReport
from failure_modes.checker.real.database_location import DatabaseLocation
from failure_modes.checker.real.new_location import new_location
from failure_modes.checker.real.running_processes import Plan
from failure_modes.checker.report.progress import ProgressLines
from failure_modes.checker.support import temporary
from failure_modes.checker.support.interrupts import check
from system.store import StoreError

WRONG = ("lost", "duplicated", "stuck", "inconsistent", "died")
MUST_REACH = ("expired", "duplicate", "commit refused", "extended")
"""Events that the audit must have. Without them too little happened, and the run is inconclusive."""

WHOLE_MINUTES = 2
KILLS_MIN, JOBS_MIN = 200, 10_000
"""The least numbers of a run of `WHOLE_MINUTES` or more. With fewer the run is inconclusive."""


@command()
@click.option(
    "--minutes",
    type=Seconds(0.05, 1_000),
    default=2.0,
    show_default=True,
    help="How long faults happen; then the remaining jobs are done without faults.",
)
@seed_of("The seed of the faults.")
@click.option(
    "--fault", type=Mode(), help="Use the fault of this failure mode: the audit must find a defect."
)
@STORE
def chaos(minutes: float, seed: int, fault: FailureMode | None, store: str | None) -> EXIT:
    """Run producers, workers and reconciliation as real processes, and kill and stop them at random moments.

    On the store postgresql connections are cut, too, and a server that was started for the run crashes and
    recovers, once in each minute.

    At the end nothing may be lost, duplicated, stuck or inconsistent. If something is, the history is kept,
    and its folder is named. With --fault something must be lost, duplicated or stuck. Inconclusive if too
    little happened.
    """
    folder = temporary.create(Path(tempfile.gettempdir()), "queue-chaos-")
    lines = ProgressLines("chaos")
    module = None if fault is None else f"failure_modes.{fault.folder.name}.scenario"
    location = new_location(StoreKind(store or StoreKind.SQLITE), folder)
    plan = Plan(
        folder=folder,
        location=location,
        seconds=minutes * 60,
        seed=seed,
        fault=module,
        constraints=fault is None or all(one.scope.constraints for one in fault.each),
    )
    try:
        report = run(plan, lambda text: _say(lines, text))
    except KeyboardInterrupt:
        temporary.keep_for_user(folder)
        interrupted(f"nothing was audited; the history is in {folder}")
    except StoreError as error:
        temporary.keep_for_user(folder)
        warn(f"the audit failed: {error}; the history is in {folder}")
        output().add(Verdict.BROKEN, seed=seed, server=location.about, clean=False, history=str(folder))
        return EXIT.NOT_AS_EXPECTED
    kept = None if report.clean else folder
    (temporary.remove if report.clean else temporary.keep_for_user)(folder)
    missing = [] if fault else _missing(report, minutes)
    _show(report, location, minutes, seed, fault, kept)
    if missing:
        show(f" inconclusive, because too little happened: no {', no '.join(missing)}")
    held = Verdict.INCONCLUSIVE if missing else Verdict.HELD
    output().add(
        held if report.clean else Verdict.BROKEN,
        **asdict(report),
        seed=seed,
        server=location.about,
        clean=report.clean,
        missing=missing,
        history=kept and str(kept),
    )
    broke = bool(report.lost or report.duplicated or report.stuck) and not report.died
    if not (report.clean if fault is None else broke):
        return EXIT.NOT_AS_EXPECTED
    return EXIT.INCONCLUSIVE if missing else EXIT.AS_EXPECTED


def _missing(report: AuditReport, minutes: float) -> list[str]:
    """The events that a run without a fault must have, and this run has not."""
    missing = [name for name in MUST_REACH if not report.audit[name]]
    if minutes >= WHOLE_MINUTES:
        few = {"kills": (report.injected["kills"], KILLS_MIN), "jobs": (report.jobs, JOBS_MIN)}
        missing += [
            f"{least:,} {name} in {WHOLE_MINUTES} min" for name, (n, least) in few.items() if n < least
        ]
    return missing


def _say(lines: ProgressLines, text: str) -> None:
    """Show the progress of the run. Raises KeyboardInterrupt."""
    check()
    lines.note(text)


def _show(
    report: AuditReport,
    location: DatabaseLocation,
    minutes: float,
    seed: int,
    fault: FailureMode | None,
    kept: Path | None,
) -> None:
    of = "the guarded system" if fault is None else f"{fault.id} {fault.title}"
    show(f"chaos: {of}, {minutes:g} min, seed {seed}: {description(report.injected)}")
    if location.about is not None:
        show(f" on {location.about}{'' if location.restart else ', which cannot be restarted from here'}")
    show(f" {report.accepted:,} jobs accepted, {report.succeeded:,} succeeded, {report.failed:,} failed")
    for event, count in sorted(report.audit.items()):
        show(f"   {event:<20} {count:>9,}")
    for name in WRONG:
        wrong = getattr(report, name)
        show(f" {len(wrong):,} {name}{' unexpectedly' * (name == 'died')}")
        for text in wrong[:5]:
            show(f"   {text}")
    if kept is not None:
        show(f" the history is in {kept}")
