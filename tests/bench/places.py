"""Where the databases of a bench are: on a real disk, and on a server that waits for one."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import psycopg
from attrs import frozen
from psycopg import conninfo, sql

from failure_modes.checker.support.postgresql.server import NoServer, Server, fresh_database, server

_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes")


@frozen(kw_only=True)
class Places:
    """A folder on the disk, and a server or why there is none."""

    folder: Path
    server: Server | None
    why_no_server: str

    def described(self) -> str:
        """The server, and whether it waits for the disk."""
        if self.server is None:
            return f"no PostgreSQL: {self.why_no_server}"
        with psycopg.connect(self.server.dsn, autocommit=True) as connection:
            found = [(name, connection.execute(f"SHOW {name}").fetchone()) for name in _SETTINGS]
        return f"{self.server.describe()}, " + ", ".join([f"{name} {row[0]}" for name, row in found if row])

    @contextmanager
    def database(self, kind: str) -> Iterator[str]:
        """A new database, as a path or a DSN; it is removed at the end of the block."""
        if kind == "SQLite":
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                yield str(Path(folder, "queue.db"))
            return
        if self.server is None:
            raise NoServer(self.why_no_server)
        dsn = fresh_database(self.server)
        try:
            yield dsn
        finally:
            name = str(conninfo.conninfo_to_dict(dsn)["dbname"])
            with psycopg.connect(self.server.dsn, autocommit=True) as connection:
                connection.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
                )


FOLDER = click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where the SQLite files are, on a real disk. Default: the system's folder for files that last.",
)


def no_places() -> Places:
    """For parts that need no database."""
    return Places(folder=Path(), server=None, why_no_server="no part needs it")


@contextmanager
def places(folder: Path | None) -> Iterator[Places]:
    """Both, removed at the end of the block. Without a folder it is the system's for files that last."""
    lasting = Path("/var/tmp")
    above = folder or (lasting if lasting.is_dir() else Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix="queue-bench-", dir=above) as name:
        try:
            found, why = server(durable=True), ""
        except NoServer as error:
            found, why = None, str(error)
        yield Places(folder=Path(name), server=found, why_no_server=why)
