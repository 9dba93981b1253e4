"""Makes a new database for a run with real processes."""

from pathlib import Path

from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.real.database_location import DatabaseLocation
from failure_modes.checker.subject.worlds import needs_server


def new_location(store: StoreKind, folder: Path) -> DatabaseLocation:
    """An empty location: a file in the folder, or a new database on a server. Raises NoWorld."""
    if store is StoreKind.SQLITE:
        return DatabaseLocation(db=str(folder / "queue.db"))
    with needs_server():
        from failure_modes.checker.real.postgresql_location import on_server

        return on_server()
