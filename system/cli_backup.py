"""The commands `backup` and `restore`, for a queue that is a file."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from system.cli_options import Failure
from system.database import Database, is_file_name
from system.output import one_line
from system.sqlite.backup import Before, back_up
from system.sqlite.backup import restore as restore_
from system.store import StoreError


def _file_name(_: click.Context, parameter: click.Parameter, text: str) -> Path:
    """The path, if the text can only be that. Raises Failure, which does not repeat an address."""
    if not is_file_name(text):
        raise Failure(
            f"{parameter.human_readable_name} is not the plain name of a file, and not shown, as it may hold"
            " a password; put ./ (or /. before a /) in front of a name with : @ = % or 'password' in it"
        )
    return Path(text)


@click.command()
@click.argument("target", callback=_file_name)
@click.pass_obj
def backup(database: Database, target: Path) -> None:
    """Copy the queue to a new file, while workers go on.

    TARGET must not exist. It appears under this name once the whole copy is checked and on the disk.
    """
    path = _file(database, "`pg_dump --format=custom --file=TARGET DATABASE`")
    with _ended_by_sigterm():
        jobs = back_up(path, target, busy_seconds=database.busy_seconds)
    click.echo(one_line(f"{target}: a backup of {path} with {_jobs(jobs)}"))


@click.command()
@click.argument("backup", callback=_file_name)
@click.pass_obj
def restore(database: Database, backup: Path) -> None:
    """Replace the queue by a backup. The queue as it is now is kept under another name.

    A queue that is not damaged is replaced in one step. Its workers may go on: the commits of the jobs that
    they work on are refused. Stop the workers of a damaged queue first. Jobs and keys from after the backup
    are lost, and new jobs get their ids. Jobs that were done after the backup are done again.
    """
    path = _file(database, "`pg_restore --clean --if-exists --single-transaction --dbname=DATABASE BACKUP`")
    with _ended_by_sigterm():
        done = restore_(path, backup, busy_seconds=database.busy_seconds)
    before = {
        Before.WHOLE: f"what it held before is kept in {done.kept}",
        Before.DAMAGED: f"the damaged file is kept as {done.kept}",
        Before.MISSING: f"there was no file, but a log, kept as {done.kept}"
        if done.kept
        else "there was none before",
    }[done.before]
    click.echo(one_line(f"{path}: restored from {backup} with {_jobs(done.jobs)}; {before}"))


def _file(database: Database, instead: str) -> Path:
    if database.file is None:
        raise StoreError(f"{database.shown}: not a file; use {instead}")
    return database.file


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end this as Ctrl-C does, so that nothing is left behind."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
