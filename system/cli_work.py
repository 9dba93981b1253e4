"""The command `work`: a worker that runs until it is stopped, with its limits and its policies."""

import os
import platform
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click

from system.cli_options import MISPLACED, Failure, seconds
from system.clock import SystemClock
from system.database import Database
from system.handlers import NoHandler, load_handler
from system.output import one_line
from system.payload import shortened
from system.policies import CircuitBreaker, Policies, Retry, RetryBudget
from system.queue import KEY_MAX, InvalidJob, Queue, check_key
from system.signals import interrupting
from system.worker import GRACE_SECONDS, Worker


def _policies(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options for the policies that are off by default."""
    for option in reversed(
        (
            click.option(
                "--jitter-seed",
                type=click.IntRange(-(2**63), 2**63 - 1),
                metavar="N",
                help="Full jitter: wait a part of the backoff, computed from N, the job and the attempt.",
            ),
            click.option(
                "--retries-max",
                type=click.IntRange(1, 2**63 - 1),
                metavar="N",
                help="Retry budget: at most N retries, over all jobs, in --window-seconds.",
            ),
            seconds(
                "--window-seconds",
                default=RetryBudget().window_seconds,
                help_="The window of --retries-max.",
            ),
            click.option(
                "--failures-max",
                type=click.IntRange(1, 2**63 - 1),
                metavar="N",
                help="Circuit breaker: after N failures in a row, lease no job for --open-seconds.",
            ),
            seconds(
                "--open-seconds",
                default=CircuitBreaker().open_seconds,
                help_="How long the circuit breaker of --failures-max stays open.",
            ),
        )
    ):
        command = option(command)
    return command


@click.command()
@click.argument("handler")
@seconds("--lease-seconds", default=30.0, help_="A job's lease. After it another worker may take the job.")
@seconds("--poll-seconds", default=0.5, help_="Wait so long when no job is due.")
@seconds(
    "--handler-seconds",
    default=None,
    help_="Fail an attempt whose handler runs for longer. Default: no limit.",
)
@seconds(
    "--grace-seconds",
    default=GRACE_SECONDS,
    help_="After --handler-seconds, end the process if the handler has not ended so much later.",
)
@seconds("--reconcile-seconds", least=0, default=60.0, help_="Reconcile so often; 0 for never.")
@_policies
@click.option("--once", is_flag=True, help="Work on one job at most, then exit.")
@click.option("--drain", is_flag=True, help="Exit when no job can be leased now.")
@click.option("--name", default=lambda: f"{platform.node()}-{os.getpid()}", help="Default: HOST-PID.")
@click.pass_obj
def work(
    database: Database,
    *,
    handler: str,
    lease_seconds: float,
    poll_seconds: float,
    handler_seconds: float | None,
    grace_seconds: float,
    reconcile_seconds: float,
    jitter_seed: int | None,
    retries_max: int | None,
    window_seconds: float,
    failures_max: int | None,
    open_seconds: float,
    once: bool,
    drain: bool,
    name: str,
) -> None:
    """Work on jobs. HANDLER is package.module:function, called with (job, context).

    `job.payload` is what was enqueued; `context.write(value)` sets the job's effect. An exception fails the
    attempt.

    SIGTERM or SIGINT: the current job is finished, then exit 0. A second one: system.worker.Released is
    raised in the handler, and the job goes back to the queue.

    A handler whose lease is gone gets system.worker.LeaseLost, and the worker goes on. One that runs past
    --handler-seconds gets system.worker.TimedOut. If it does not end, its process does, with exit code 4;
    or with a traceback and exit code 44, if a C function keeps Python from running at all. Let a supervisor
    start the worker again.

    The jitter, the retry budget and the circuit breaker are the queue's: give every worker the same.
    """
    if MISPLACED.search(handler):
        raise Failure("HANDLER is not of the form package.module:function, and may hold a password")
    try:
        function = load_handler(handler)
    except NoHandler as error:
        raise Failure(f"HANDLER {error}") from error
    try:
        check_key(name)
    except InvalidJob as error:
        raise Failure(
            f"--name {shortened(repr(name))} must be text in Unicode, of 1 to {KEY_MAX:,} characters"
        ) from error
    policies = Policies(
        retry=Retry(jitter_seed=jitter_seed),
        budget=RetryBudget(retries_max=retries_max, window_seconds=window_seconds),
        breaker=CircuitBreaker(failures_max=failures_max, open_seconds=open_seconds),
    )
    with database.open() as store:
        worker = Worker(
            Queue(store=store, policies=policies, lease_seconds=lease_seconds),
            function,
            name=name,
            clock=SystemClock(),
            poll_seconds=poll_seconds,
            handler_seconds=handler_seconds,
            grace_seconds=grace_seconds,
            ends_if_held=True,
            watch=True,
            wakeups=store.wakeups(),
            reconcile_seconds=reconcile_seconds or None,
            log=_note,
        )
        with interrupting(worker):
            _note(f"worker {name} begins")
            if once or drain:
                worker.drain(1 if once else None)
            else:
                worker.run()


def _note(text: str) -> None:
    """Write a line to stderr. If stderr is a file on the same full disk, nothing is written."""
    with suppress(OSError):
        click.echo(one_line(text), err=True)
