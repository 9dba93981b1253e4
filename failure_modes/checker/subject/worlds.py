"""The world that a scope asks for: which store, and whether power may fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from failure_modes.checker.experiment.scope import Scope, StoreKind, Swap, guarded
from failure_modes.checker.simulation.powered import PoweredWorld
from failure_modes.checker.simulation.world import World
from failure_modes.checker.subject.queue_subject import QueueSubject
from failure_modes.checker.support.errors import NotInstalled


class NoWorld(NotInstalled):
    """There is no such world here. The message says what is missing, and what to do.

    A test that needs one is skipped with that reason; in CI a test of its own fails.
    """


def why_not_here(store: StoreKind) -> str | None:
    """Why nothing can be run on that store here; None if it can."""
    try:
        world_of(Scope(store=store), guarded).close()
    except NoWorld as error:
        return str(error)
    return None


def world_of(scope: Scope, swap: Swap, **options: Any) -> World:
    """The world of our queue that a scope asks for. Raises NoWorld."""
    subject = QueueSubject(scope, swap)
    options["granularity"] = scope.granularity
    if scope.store is StoreKind.POSTGRESQL:
        if scope.power_loss:
            raise NoWorld("power is lost on sqlite only: what a server tells its disk is not watched")
        return _on_postgresql(subject, **options)
    return (PoweredWorld if scope.power_loss else World)(subject, **options)


def _on_postgresql(subject: QueueSubject, **options: Any) -> World:
    with needs_server():
        from failure_modes.checker.simulation.postgresql.world import PostgreSQLWorld

        return PostgreSQLWorld(subject, **options)


@contextmanager
def needs_server() -> Iterator[None]:
    """For what needs a PostgreSQL server, and the driver to import it with. Raises NoWorld."""
    try:
        from failure_modes.checker.support.postgresql.server import NoServer
    except ModuleNotFoundError as error:
        raise NoWorld(f"{error.name} is not installed; do `pip install 'psycopg[binary]'`") from error
    try:
        yield
    except NoServer as error:
        raise NoWorld(str(error)) from error
