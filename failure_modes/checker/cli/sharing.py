"""The options that share work between processes of this machine, or the workers of a cluster."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import click

from failure_modes.checker.cli.options import Command
from failure_modes.checker.experiment.scope import Scope, StoreKind

if TYPE_CHECKING:
    from failure_modes.checker.support.cluster import Cluster
    from failure_modes.checker.support.process_pool import WorkPool


def processes(help_: str) -> Callable[[Command], Command]:
    """The options for the processes that share the work, and for a cluster; `help_` names the work."""
    number = click.option(
        "--processes",
        type=click.IntRange(1, 256),
        default=lambda: os.cpu_count() or 1,
        show_default="one for each core",
        help=help_,
    )
    cluster = click.option(
        "--cluster",
        metavar="ADDRESS",
        help="Share the work between the workers of this Dask scheduler, as tcp://HOST:8786, and not "
        "between processes.",
    )
    return lambda command: number(cluster(command))


PROCESSES = processes("Processes that share the work.")


def processes_for(scope: Scope, options: dict[str, Any]) -> int:
    """The number of processes; 1 on PostgreSQL, where the server works in parallel to it."""
    number: int = options["processes"] if scope.store is StoreKind.SQLITE else 1
    return number


def pool_of(
    options: dict[str, Any], processes: int | None = None, *, scope: Scope | None = None
) -> "AbstractContextManager[WorkPool]":
    """The processes or the workers that share the work, which is all in that scope, if it is in one.

    Raises click.UsageError, ClusterUnusable and NotInstalled.
    """
    if options["cluster"] is None:
        from failure_modes.checker.support.process_pool import Pool

        return Pool(processes or options["processes"])
    _check_store(scope)
    return _cluster(options["cluster"])


def cluster_of(scope: Scope, options: dict[str, Any]) -> "Cluster | None":
    """The cluster for work in that scope; None if none was given. It is left when the command ends.

    Raises click.UsageError, ClusterUnusable and NotInstalled.
    """
    if options.get("cluster") is None:
        return None
    _check_store(scope)
    context = click.get_current_context()
    known: Cluster | None = context.meta.get(__name__)
    if known is None:
        known = context.meta[__name__] = context.with_resource(_cluster(options["cluster"]))
    return known


def _check_store(scope: Scope | None) -> None:
    if scope is not None and scope.store is not StoreKind.SQLITE:
        raise click.UsageError("--cluster is for SQLite: a PostgreSQL server works on this machine only")


def _cluster(address: str) -> "Cluster":
    """The cluster, with its progress on standard error."""
    from failure_modes.checker.report.progress import ProgressLines
    from failure_modes.checker.support.cluster import Cluster

    return Cluster(address, ProgressLines("cluster").note)
