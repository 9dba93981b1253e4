"""Makes the world of a scope: with its store, and with power loss or without.

A kind of world is imported when it is first made.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, StoreKind, guarded
from failure_modes.checker.simulation.world import World
from failure_modes.checker.subject.queue_subject import QueueSubject
from failure_modes.checker.support.errors import NotInstalled


class NoWorld(NotInstalled):
    """Such a world cannot be made on this machine. The message says what is missing and what to do.

    A test that needs it is skipped with that reason; in CI one test fails instead.
    """


def why_not_here(store: StoreKind) -> str | None:
    """The reason why that store cannot be used on this machine; None if it can."""
    try:
        world_of(Scope(store=store), guarded).close()
    except NoWorld as error:
        return str(error)
    return None


def world_of(scope: Scope, fault: Fault, **options: Any) -> World:
    """Make the world of our queue for a scope. Raises NoWorld.

    The options are those of `World`. No world on PostgreSQL is `reusable`.
    """
    subject = QueueSubject(scope, fault)
    at_statements = scope.store is StoreKind.POSTGRESQL and scope.granularity is Granularity.STATEMENT
    if scope.within_statements and (not at_statements or options.get("restorable")):
        raise NoWorld("pauses within statements are for searches on postgresql, at granularity statement")
    options["granularity"] = scope.granularity
    if scope.threads:
        if scope.power_loss or scope.store is StoreKind.POSTGRESQL:
            raise NoWorld("second threads work on sqlite only, and without a loss of power")
        threads = dict(zip(scope.thread_names, scope.names, strict=True))
        if scope.rollback:
            from failure_modes.checker.simulation.threaded_rollback_world import ThreadedRollbackWorld

            return ThreadedRollbackWorld(subject, threads=threads, **options)
        from failure_modes.checker.simulation.threaded_world import ThreadedWorld

        return ThreadedWorld(subject, threads=threads, **options)
    if scope.store is StoreKind.POSTGRESQL:
        if scope.power_loss:
            raise NoWorld("power loss works on sqlite only: the disk of a server is not watched")
        return _on_postgresql(subject, within_statements=scope.within_statements, **options)
    if scope.rollback:
        from failure_modes.checker.simulation.rollback_world import RollbackWorld

        return RollbackWorld(subject, **options)
    if not scope.power_loss:
        return World(subject, **options)
    from failure_modes.checker.simulation.power_loss_world import PowerLossWorld

    return PowerLossWorld(subject, **options)


def _on_postgresql(subject: QueueSubject, **options: Any) -> World:
    options.pop("reusable", None)  # a new world uses the sessions at the server again, too
    with needs_server():
        from failure_modes.checker.simulation.postgresql.rollback_world import PostgreSQLRollbackWorld
        from failure_modes.checker.simulation.postgresql.world import PostgreSQLWorld

        kind = PostgreSQLRollbackWorld if subject.scope.rollback else PostgreSQLWorld
        return kind(subject, **options)


@contextmanager
def needs_server() -> Iterator[None]:
    """Raise NoWorld if the block needs a PostgreSQL server or its driver, and there is none."""
    try:
        from failure_modes.checker.support.postgresql.server import NoServer
    except ModuleNotFoundError as error:
        raise NoWorld(f"{error.name} is not installed; do `pip install 'psycopg[binary]'`") from error
    try:
        yield
    except NoServer as error:
        raise NoWorld(str(error)) from error
