"""The command `power`: what losses of power leave of a database, by how SQLite keeps it."""

from itertools import count

import click
from attrs import asdict

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import PROCESSES, seed_of
from failure_modes.checker.cli.output import Verdict, interrupted, output, show, warn
from failure_modes.checker.real.power import SETTINGS, STEPS, STORE, PowerReport, Setting, check_images
from failure_modes.checker.report.progress import ProgressLines
from failure_modes.checker.simulation.disk.vfs import require
from failure_modes.checker.support.process_pool import Pool

FEWER = 10
"""How many times fewer images are looked at of what is not the store's own setting."""


@command()
@click.option(
    "--images",
    type=click.IntRange(1, 100_000_000),
    default=20_000,
    show_default=True,
    help="At least so many images with the store's settings; a tenth of it with each other setting.",
)
@seed_of("The seed of the first run; each run after it has the next number.")
@click.option(
    "--steps", type=click.IntRange(1, 1000), default=STEPS, show_default=True, help="Steps in a run."
)
@PROCESSES
def power(images: int, seed: int, steps: int, processes: int) -> EXIT:
    """Record runs, let power fail after each file operation, and open what the disk may have kept.

    As expected if with the store's settings no acknowledged commit is lost and no database is corrupt, and if
    other settings lose some. Inconclusive if SQLite's file operations cannot be seen here, or if the runs met
    too little.
    """
    require()
    lines = ProgressLines("power")
    looked: dict[Setting, PowerReport] = {}
    try:
        with Pool(processes) as pool:
            for setting in (STORE, *[setting for setting in SETTINGS if setting != STORE]):
                wanted = images if setting == STORE else -(-images // FEWER)
                looked[setting] = _look(pool, (setting, seed, steps), wanted, lines)
    except KeyboardInterrupt:
        interrupted(f"{len(looked)} of {len(SETTINGS)} settings were looked at; nothing is shown")
    store = looked[STORE]
    others = sum([looked[setting].lost for setting in SETTINGS if setting != STORE])
    _show(looked)
    wrong = bool(store.lost or store.corrupt or store.breaches)
    peaceful = not (store.at_risk and store.checkpoints)
    for setting in SETTINGS:
        _add(setting, looked[setting], inconclusive=setting == STORE and peaceful)
    if wrong:
        return EXIT.NOT_AS_EXPECTED
    if peaceful:
        warn("no checkpoint, or nothing that could be lost, was met: it proves nothing")
        return EXIT.INCONCLUSIVE
    return EXIT.AS_EXPECTED if others else EXIT.NOT_AS_EXPECTED


def _add(setting: Setting, one: PowerReport, *, inconclusive: bool) -> None:
    held = Verdict.INCONCLUSIVE if inconclusive else Verdict.HELD
    broken = one.lost or one.corrupt or one.breaches
    output().add(Verdict.BROKEN if broken else held, **asdict(setting), **asdict(one))


def _look(pool: Pool, first: tuple[Setting, int, int], wanted: int, lines: ProgressLines) -> PowerReport:
    """Runs until so many images were looked at; which they are does not depend on the number of processes."""
    setting, seed, steps = first
    total = PowerReport()
    asked = ((setting, number, steps) for number in count(seed))
    for one in pool.in_order(_look_at, asked):
        total += one
        lines.note(f"{setting.journal} {setting.synchronous}: {total.images:,} images of {wanted:,}")
        if total.images >= wanted:
            break
    return total


def _look_at(asked: tuple[Setting, int, int]) -> PowerReport:
    return check_images(*asked)


_COLUMNS = ("journal", "synchronous", "images", "different", "lost", "corrupt")


def _show(looked: dict[Setting, PowerReport]) -> None:
    rows = [_COLUMNS]
    for setting in SETTINGS:
        one = looked[setting]
        numbers = [f"{number:,}" for number in (one.images, one.different, one.lost, one.corrupt)]
        rows.append((setting.journal, setting.synchronous, *numbers))  # type: ignore[arg-type]
    for row in rows:
        cells = [cell.ljust(13) if at < 2 else cell.rjust(10) for at, cell in enumerate(row)]
        show("".join(cells))
    runs, commits = sum(one.runs for one in looked.values()), sum(one.commits for one in looked.values())
    store = looked[STORE]
    recovered = sum(one.recovered for one in looked.values())
    show(f"{runs:,} runs, {commits:,} commits; {recovered:,} different contents recovered and judged")
    show("lost     images in which an acknowledged commit is missing")
    show("corrupt  images that are no database, or hold what was there after no commit")
    description = f"the store's settings ({STORE.journal}, {STORE.synchronous})"
    show(f"{description}: {store.lost:,} lost, {store.corrupt:,} corrupt in {store.images:,} images")
    show(
        f" {store.at_risk:,} of them while something was not synced; the log was copied back "
        f"{store.checkpoints:,} times"
    )
    for text in (store.first, *store.breaches[:5]):
        if text:
            show(f" {text}")
