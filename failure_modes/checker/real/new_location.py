"""A new place for the store of a run with real processes."""

from pathlib import Path

from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.real.database_location import Place
from failure_modes.checker.subject.worlds import needs_server


def new_place(store: StoreKind, folder: Path) -> Place:
    """A place with nothing in it yet: a file in the folder, or a database of a server. Raises NoWorld."""
    if store is StoreKind.SQLITE:
        return Place(db=str(folder / "queue.db"))
    with needs_server():
        from failure_modes.checker.real.postgresql_location import on_server

        return on_server()
