"""The command line of the queue.

Bad input gives one line on stderr that begins with `error: `, and exit code 2. Then nothing is written: the
input is checked before the database is opened, and a file that is not a queue is left as it is.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from attrs import asdict

from system.cli_backup import backup, restore
from system.cli_options import MISPLACED, Failure, seconds
from system.cli_work import work
from system.clock import utc
from system.database import BUSY_SECONDS, Database, named
from system.output import (
    aligned,
    audit_row,
    counts_json,
    failed_row,
    job_json,
    job_rows,
    one_line,
    status_rows,
)
from system.payload import Unreadable, read_payload, shortened
from system.policies import Policies, Retry
from system.queue import InvalidJob, Queue, check_key
from system.settings import BUSY_SECONDS_MAX
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
        message = error.format_message()
        if MISPLACED.search(message):
            message = "Not shown, as it may hold a password: an argument that cannot be where it is."
        raise Failure(f"{message} See `{command} --help`.") from error
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
@seconds(
    "--busy-seconds",
    least=0,
    most=BUSY_SECONDS_MAX,
    default=BUSY_SECONDS,
    help_="Wait so long for a locked database.",
)
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
    """Create the queue, or bring an older one up to the schema of this version.

    It says which it did. In PostgreSQL the role must be allowed to create tables. A file needs no `init`.
    """
    done = database.create()
    click.echo(f"{one_line(database.shown)}: {done}")


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
        raise Failure(f"--key {shortened(repr(key))}: {error}") from error
    with database.open(to_enqueue=True) as store:
        queue = Queue(store=store, policies=Policies(retry=Retry(attempts_max=attempts)))
        accepted = queue.accept(value, key=key)
    click.echo(accepted.job.id)
    if accepted.existed:
        same = "the same" if accepted.same_payload else "another"
        click.echo(f"job {accepted.job.id} existed already under this key, with {same} payload", err=True)


main.add_command(work)


@main.command()
@click.pass_obj
def reconcile(database: Database) -> None:
    """End the executions that dead workers left.

    A committed execution is finished. Any other is aborted, and its job may be leased again. It is safe to
    run this twice, and beside live workers.
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

    Also: the time for which the oldest job has been due, the leases that ran out and that no worker has taken
    up, and the duplicates that were refused.
    """
    with database.open() as store:
        counts = store.counts()
    if json_:
        click.echo(json.dumps(counts_json(counts)))
        return
    click.echo(aligned(status_rows(counts)))


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


@main.command()
@click.argument("job", type=click.IntRange(1, JOB_ID_MAX))
@click.option("--json", "json_", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def show(database: Database, job: int, json_: bool) -> None:
    """Show a job: its state, and its result or why it failed.

    JOB is its id.
    """
    with database.open() as store:
        found = store.status(job)
    if found is None:
        raise Failure(f"{database.shown}: there is no job {job}; `enqueue` prints a job's id")
    click.echo(json.dumps(job_json(found)) if json_ else aligned(job_rows(found)))


@main.command()
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    metavar="N",
    help="How many at most.",
)
@click.option("--json", "json_", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def failed(database: Database, limit: int, json_: bool) -> None:
    """List the jobs that were given up, the latest first."""
    with database.open() as store:
        found = store.given_up(limit)
    if json_:
        click.echo(json.dumps({"failed": [job_json(one) for one in found]}))
    elif found:
        click.echo(aligned(tuple([failed_row(one) for one in found])))
    else:
        click.echo("no job has failed")


main.add_command(backup)
main.add_command(restore)
