"""The command `chaos`: real processes, killed at random moments, and the books balanced."""

import json
import tempfile
from pathlib import Path
from typing import Any

import click
from attrs import asdict

from failure_modes.checker.cli.exits import EXIT, interrupted, leave
from failure_modes.checker.cli.options import JSON, STORE, Mode, Seconds
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.real.chaos import Plan, run, told
from failure_modes.checker.real.chaos_audit import Books
from failure_modes.checker.real.database_location import Place
from failure_modes.checker.real.new_location import new_place
from failure_modes.checker.report.progress import Lines
from failure_modes.checker.support import temporary
from failure_modes.checker.support.interrupts import check
from system.store import StoreError

WRONG = ("lost", "duplicated", "stuck", "strange", "died")
MUST_MEET = ("expired", "duplicate", "commit refused", "extended")
"""What has to be in the audit, or the run was too peaceful to say anything."""

WHOLE_MINUTES = 2
KILLS_MIN, JOBS_MIN = 200, 10_000
"""In a run of so many minutes or more: with fewer of them too little was tried."""


@click.command()
@click.option(
    "--minutes",
    type=Seconds(0.05, 1_000),
    default=2.0,
    show_default=True,
    help="How long to strike; then all that is left is done in peace.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Whom to strike, when.")
@click.option("--fault", type=Mode(), help="With the fault of this failure mode: the books must not balance.")
@STORE
@JSON
def chaos(minutes: float, seed: int, fault: FailureMode | None, store: str | None, *, json_: bool) -> None:
    """Run producers, workers and reconciliation as real processes, and kill and stop them at random moments.

    On the store postgresql connections are cut, too, and a server that was started for the run crashes and
    recovers, once in each minute.

    At the end nothing may be lost, duplicated, stuck or strange. If something is, the history is kept, and
    its folder is named. Exit code 0 if all is well (with --fault: if something is wrong), 1 if not, 3 if too
    little happened to say.
    """
    folder = temporary.create(Path(tempfile.gettempdir()), "queue-chaos-")
    lines = Lines("chaos")
    module = None if fault is None else f"failure_modes.{fault.folder.name}.scenario"
    place = new_place(StoreKind(store or StoreKind.SQLITE), folder)
    plan = Plan(
        folder=folder,
        place=place,
        seconds=minutes * 60,
        seed=seed,
        fault=module,
        constraints=fault is None or all(one.scope.constraints for one in fault.each),
    )
    try:
        books = run(plan, lambda text: _say(lines, text))
    except KeyboardInterrupt:
        temporary.let_stay(folder)
        interrupted(f"the books were not balanced; the history is in {folder}")
    except StoreError as error:
        temporary.let_stay(folder)
        click.echo(f"the books cannot be balanced: {error}; the history is in {folder}", err=True)
        leave(EXIT.NOT_AS_EXPECTED)
    kept = None if books.balanced else folder
    (temporary.remove if books.balanced else temporary.let_stay)(folder)
    missing = [] if fault else [name for name in MUST_MEET if not books.audit[name]]
    if not fault and minutes >= WHOLE_MINUTES:
        few = {"kills": (books.struck["kills"], KILLS_MIN), "jobs": (books.jobs, JOBS_MIN)}
        missing += [
            f"{least:,} {what} in {WHOLE_MINUTES} min" for what, (n, least) in few.items() if n < least
        ]
    if json_:
        click.echo(json.dumps(_as_json(books, place, seed, kept)))
    else:
        _show(books, place, minutes, seed, fault, kept)
        if missing:
            click.echo(f" too peaceful to say: no {', no '.join(missing)}")
    broke = bool(books.lost or books.duplicated or books.stuck) and not books.died
    if not (books.balanced if fault is None else broke):
        leave(EXIT.NOT_AS_EXPECTED)
    leave(EXIT.BOUND_HIT if missing else EXIT.AS_EXPECTED)


def _say(lines: Lines, text: str) -> None:
    """Say how far the run has come. Raises KeyboardInterrupt: nothing is half done there."""
    check()
    lines.note(text)


def _as_json(books: Books, place: Place, seed: int, kept: Path | None) -> dict[str, Any]:
    told = {"seed": seed, "server": place.about, "balanced": books.balanced, "history": kept and str(kept)}
    return {**asdict(books), **told}


def _show(
    books: Books, place: Place, minutes: float, seed: int, fault: FailureMode | None, kept: Path | None
) -> None:
    of = "the guarded system" if fault is None else f"{fault.id} {fault.title}"
    click.echo(f"chaos: {of}, {minutes:g} min, seed {seed}: {told(books.struck)}")
    if place.about is not None:
        click.echo(f" on {place.about}{'' if place.restart else ', which cannot be restarted from here'}")
    click.echo(f" {books.accepted:,} jobs accepted, {books.succeeded:,} succeeded, {books.failed:,} failed")
    for event, count in sorted(books.audit.items()):
        click.echo(f"   {event:<20} {count:>9,}")
    for name in WRONG:
        wrong = getattr(books, name)
        click.echo(f" {len(wrong):,} {name}{' unasked' * (name == 'died')}")
        for text in wrong[:5]:
            click.echo(f"   {text}")
    if kept is not None:
        click.echo(f" the history is in {kept}")
