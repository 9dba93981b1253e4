"""The command line of the queue.

Bad input ends in one line on stderr that begins with `error: `, in exit code 2, and in nothing written:
what a user gives is checked before the database is opened, and a file that is not a queue is left alone.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from attrs import asdict

from system.cli_options import Failure, seconds
from system.cli_work import work
from system.clock import utc
from system.database import BUSY_SECONDS, Database, named
from system.output import aligned, audit_row, one_line, status_rows
from system.payload import Unreadable, read_payload
from system.policies import Policies, Retry
from system.queue import InvalidJob, Queue, check_key, to_json
from system.store import StoreError

ATTEMPTS_MAX = 1_000
JOB_ID_MAX = 2**63 - 1


class OneLineErrors(click.Group):
    """A group whose commands end in one line when they fail."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the group's own arguments."""
        with _failing():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Read a command's arguments, and run it."""
        with _failing():
            return super().invoke(ctx)


@contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "python -m system"
        raise Failure(f"{error.format_message()} See `{command} --help`.") from error
    except StoreError as error:
        raise Failure(str(error)) from error


@click.group(cls=OneLineErrors, no_args_is_help=False)
@click.option(
    "--db",
    default="queue.db",
    metavar="FILE|ADDRESS",
    show_default=True,
    envvar="QUEUE_DB",
    show_envvar=True,
    help="The database: a file, or postgresql://USER@HOST:PORT/DATABASE.",
)
@seconds("--busy-seconds", least=0, default=BUSY_SECONDS, help_="Wait so long for a locked database.")
@click.pass_context
def main(ctx: click.Context, db: str, busy_seconds: float) -> None:
    """A job queue in a file or in PostgreSQL: at least once delivery, effect at most once.

    \b
    For example, with a function charge(job, context) in shop.py:
      python -m system enqueue '{"amount": 5}' --key order-1
      python -m system work shop:charge --drain
      python -m system status
    """
    ctx.obj = named(db, busy_seconds)


@main.command()
@click.pass_obj
def init(database: Database) -> None:
    """Create the queue, unless it is there already.

    In PostgreSQL, whoever runs this must be allowed to create tables. A file needs no `init`.
    """
    made = database.create()
    click.echo(f"{one_line(database.shown)}: {'a new queue' if made else 'a queue is there already'}")


@main.command()
@click.argument("payload")
@click.option("--key", help="Idempotency key: the same key again adds no second job.")
@click.option(
    "--attempts",
    type=click.IntRange(1, ATTEMPTS_MAX),
    metavar="N",
    default=Retry().attempts_max,
    show_default=True,
    help="How often the job may be leased before it is given up.",
)
@click.pass_obj
def enqueue(database: Database, payload: str, key: str | None, attempts: int) -> None:
    """Add a job and print its id. PAYLOAD is JSON text, or - to read it from stdin.

    A file that is missing is created; in PostgreSQL `init` does that. A PAYLOAD that begins with a minus
    comes after `--`.
    """
    try:
        value = read_payload(payload)
        if key is not None:
            check_key(key)
    except Unreadable as error:
        raise Failure(str(error)) from error
    except InvalidJob as error:
        raise Failure(f"--key {key!r}: {error}") from error
    with database.open(to_enqueue=True) as store:
        queue = Queue(store=store, policies=Policies(retry=Retry(attempts_max=attempts)))
        accepted = queue.accept(value, key=key)
    click.echo(accepted.job.id)
    if accepted.existed:
        same = "the same" if accepted.job.payload == to_json(value) else "another"
        click.echo(f"job {accepted.job.id} existed already under this key, with {same} payload", err=True)


main.add_command(work)


@main.command()
@click.pass_obj
def reconcile(database: Database) -> None:
    """End what dead workers left behind.

    What was committed is finished; what was not is aborted, and the job may be leased again. Safe beside
    live workers, and to run twice.
    """
    finished = aborted = 0
    with database.open() as store:
        queue = Queue(store=store)
        while (batch := queue.reconcile()).finished or batch.aborted:
            finished, aborted = finished + batch.finished, aborted + batch.aborted
    click.echo(f"finished {finished}  (committed, and abandoned before the end)")
    click.echo(f"aborted  {aborted}  (the lease ran out before the commit)")


@main.command()
@click.option("--json", "json_", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def status(database: Database, json_: bool) -> None:
    """Count the jobs by state.

    Also: how long the oldest job has waited, how many leases ran out with nobody to take the job up, and
    how many duplicates were refused.
    """
    with database.open() as store:
        counts = store.counts()
    oldest = counts.oldest_pending_at
    age = None if oldest is None else max(0, counts.counted_at - oldest) / 1000
    if json_:
        times = ("oldest_pending_at", "counted_at")
        shown = {name: value for name, value in asdict(counts).items() if name not in times}
        click.echo(json.dumps(shown | {"oldest_pending_seconds": age}))
        return
    click.echo(aligned(status_rows(counts, age)))


@main.command()
@click.argument("job", type=click.IntRange(1, JOB_ID_MAX))
@click.option("--json", "json_", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def audit(database: Database, job: int, json_: bool) -> None:
    """Print the history of a job.

    JOB is its id. One line for each transition and each refusal, oldest first. Times are in UTC.
    """
    with database.open() as store:
        history = tuple(store.audit(job_id=job))
    if not history:
        raise Failure(f"{database.shown}: there is no job {job}; `enqueue` prints a job's id")
    if json_:
        rows = [{"time": utc(row.at), **asdict(row)} for row in history]
        click.echo(json.dumps({"job": job, "history": rows}))
        return
    click.echo(aligned(tuple([audit_row(row) for row in history])))
