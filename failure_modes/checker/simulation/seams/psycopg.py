"""The seam of psycopg 3: a connection pauses its process before each exchange with a real server.

psycopg waits for the server in `Connection.wait` and `AsyncConnection.wait`, and nowhere else. There:

- The process pauses before the exchange. A statement and its implicit BEGIN have one boundary, as have all
  statements of `executemany`. The BEGIN of `connection.transaction()` has none: it takes no lock.
- A statement that waits for a lock is *blocked*: it is at the server, and its process pauses until another
  process has moved. If the process dies meanwhile, the statement stays there, and still runs when it gets
  the lock, as a real server does.
- The process that closes a circle of waits is the victim of the deadlock.
- The server gets the time of the run before each transaction.

The coroutines of an asynchronous connection do not overlap an exchange: the whole process waits for it.
`CURRENT_TIMESTAMP` is a keyword of the server, so the seam writes `now()` instead. Timeouts of the server
(`lock_timeout`, `statement_timeout`) are not simulated.
"""

import asyncio
import inspect
import re
import select
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

import psycopg
from attrs import define
from psycopg import errors, waiting
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.sql import Composable

from failure_modes.checker.simulation.postgresql.pausing_connection import exchange
from failure_modes.checker.simulation.postgresql.queue_server import (
    APPLICATION,
    QueueServer,
    server_of,
    server_of_connection,
    statement_time,
    transaction_time,
)
from failure_modes.checker.simulation.seams.patching import replaced
from failure_modes.checker.simulation.seams.stepped import Stepped, current, outside
from failure_modes.checker.simulation.stepping import Crashed
from failure_modes.checker.support.errors import SubjectError

DSN = "dsn"
"""The file in the folder of a run that names its database."""

LISTEN_SECONDS = 1.0
"""How often a process that listens looks for notifications."""

_CONNECT, _WAIT_CONNECTION = psycopg.connect, waiting.wait_conn_async
_NOW = re.compile(r"\b(?:CURRENT_TIMESTAMP|LOCALTIMESTAMP)\b(?!\s*\()", re.IGNORECASE)
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_NAME = r"(?:\"?\w+\"?\.)?\"?(\w+)\"?"
_UPDATE = r"(?<!FOR )(?<!KEY )UPDATE"  # not that of FOR UPDATE
_TABLE = re.compile(rf"\b(?:FROM|INTO|{_UPDATE}|TABLE(?:\s+IF\s+NOT\s+EXISTS)?)\s+{_NAME}", re.IGNORECASE)
_CHANGED = re.compile(rf"\b(INSERT\s+INTO|{_UPDATE}|DELETE\s+FROM)\s+{_NAME}", re.IGNORECASE)
_FUNCTION = re.compile(rf"^\s*SELECT\s+{_NAME}\s*\(", re.IGNORECASE)
_ALONE = ("BEGIN", "COMMIT", "ROLLBACK", "END", "SAVEPOINT", "RELEASE", "SET", "LISTEN", "UNLISTEN", "NOTIFY")
_ENDS = {"_commit_gen": "COMMIT", "_rollback_gen": "ROLLBACK"}
_WORDS = {**_ENDS, "_sync_gen": "SYNC", "_read_gen": "COPY"}


@define
class _Session:
    """What the seam knows of a connection."""

    process: Stepped
    server: QueueServer
    server_time: float | None = None
    """The time that the server was told last."""

    def tell_time(self, connection: Any) -> None:
        """Tell the server the time of the run, as it has to know it for the next statement."""
        pgconn, now = connection.pgconn, self.process.now()
        if pgconn.pipeline_status != PipelineStatus.OFF:
            return
        if pgconn.transaction_status == TransactionStatus.IDLE:
            answer = pgconn.exec_(transaction_time(now))
        elif pgconn.transaction_status == TransactionStatus.INTRANS and now != self.server_time:
            answer = pgconn.exec_(statement_time(now))
        else:
            return
        self.server_time = now
        if answer.error_message:
            reason = answer.error_message.decode()
            raise SubjectError(f"the database does not know the time of the run: {reason}")


_sessions: WeakKeyDictionary[Any, _Session] = WeakKeyDictionary()


class PsycopgSeam:
    """Replaces the methods of psycopg that connect, wait, and get a statement."""

    def __init__(self) -> None:
        self._server: QueueServer | None = None

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Replace the methods until the block ends."""
        with ExitStack() as ends:
            for connection, connect, wait in (
                (psycopg.Connection, _connecting, _waiting),
                (psycopg.AsyncConnection, _connecting_async, _waiting_async),
            ):
                ends.enter_context(patch.object(connection, "connect", connect(vars(connection)["connect"])))
                ends.enter_context(patch.object(connection, "wait", wait(connection.wait)))
            for cursor in (psycopg.Cursor, psycopg.AsyncCursor):
                for name in ("execute", "executemany"):
                    ends.enter_context(patch.object(cursor, name, _with_now(getattr(cursor, name))))
            ends.enter_context(
                replaced({_CONNECT: psycopg.Connection.connect, _WAIT_CONNECTION: _wait_connection})
            )
            yield

    def settle(self, place: Path, *, waiting: bool, died: str | None) -> None:
        """Wait until the server has carried out what the last move let it do."""
        with outside():
            self._server = self._server or server_of((place / DSN).read_text("utf-8"))
            self._server.settle(waiting=waiting, died=died)


def _connecting(original: Any) -> Any:
    def connect(cls: Any, /, conninfo: str = "", **options: Any) -> Any:
        process = _alive()
        if process is None:
            return original.__func__(cls, conninfo, **options)
        name = f"{APPLICATION} {process.name}"
        return _owned(process, original.__func__(cls, conninfo, **options | {"application_name": name}))

    return classmethod(connect)


def _connecting_async(original: Any) -> Any:
    async def connect(cls: Any, /, conninfo: str = "", **options: Any) -> Any:
        process = _alive()
        if process is None:
            return await original.__func__(cls, conninfo, **options)
        name = f"{APPLICATION} {process.name}"
        return _owned(process, await original.__func__(cls, conninfo, **options | {"application_name": name}))

    return classmethod(connect)


def _alive() -> Stepped | None:
    """The process that runs now. Raises Crashed if it is dead."""
    process = current()
    if process is not None and process.dead:
        raise Crashed
    return process


def _owned(process: Stepped, connection: Any) -> Any:
    """Note the process of a new connection."""
    with outside():
        _sessions[connection] = _Session(process, server_of_connection(connection.info))
    process.at_death(lambda: connection.pgconn.finish())  # it has to live as long as its process
    return connection


def _waiting(original: Callable[..., Any]) -> Callable[..., Any]:
    def wait(self: Any, gen: Any, *arguments: Any, **options: Any) -> Any:
        session = _stepped(self)
        if session is None:
            return original(self, gen, *arguments, **options)
        if gen.__name__ == "notifies":
            for seconds in _until_notified(self, options.get("timeout")):
                session.process.sleep(seconds)
            return original(self, gen, timeout=0)
        return _exchanged(self, session, gen)

    return wait


def _waiting_async(original: Callable[..., Any]) -> Callable[..., Any]:
    async def wait(self: Any, gen: Any, *arguments: Any, **options: Any) -> Any:
        session = _stepped(self)
        if session is None:
            return await original(self, gen, *arguments, **options)
        if gen.__name__ == "notifies":
            for seconds in _until_notified(self, options.get("timeout")):
                await asyncio.sleep(seconds)
            return await original(self, gen, timeout=0)
        return _exchanged(self, session, gen)

    return wait


async def _wait_connection(gen: Any, interval: float = 0.0, timeout: float | None = None) -> Any:
    if current() is None:
        return await _WAIT_CONNECTION(gen, interval, timeout)
    return waiting.wait_conn(gen, interval, None)


def _stepped(connection: Any) -> _Session | None:
    """The session, if an exchange of it is to be stepped. Raises Crashed if its process is dead."""
    session = _sessions.get(connection)
    if session is not None and session.process.dead:
        raise Crashed
    return None if current() is None else session


def _until_notified(connection: Any, timeout: float | None) -> Iterator[float]:
    """The times to sleep until there is a notification, or the timeout is over."""
    left = float("inf") if timeout is None else timeout
    while left > 0 and not select.select([connection.pgconn.socket], [], [], 0)[0]:
        yield min(left, LISTEN_SECONDS)
        left -= LISTEN_SECONDS


def _exchanged(connection: Any, session: _Session, gen: Any) -> Any:
    """Pause; then exchange with the server."""
    label = label_of_exchange(gen)
    process, pid, victim = session.process, connection.info.backend_pid, False
    if gen.__name__ in _ENDS and connection.info.transaction_status == TransactionStatus.IDLE:
        label = None  # there is no transaction, so there is no exchange
    if label is not None:
        process.pause(label)
    session.tell_time(connection)

    def silent() -> None:
        nonlocal victim
        with outside():
            blocked = not victim and session.server.blockers(pid)
            if blocked and session.server.is_deadlocked(pid):
                victim = True
                session.server.cancel(pid)
        if blocked and not victim:
            process.block(label or "BEGIN")

    try:
        return exchange(gen, connection.pgconn.socket, silent)
    except errors.QueryCanceled:
        if victim:
            raise errors.DeadlockDetected("deadlock detected") from None
        raise


def label_of_exchange(gen: Any) -> str | None:
    """The exchange in one or two words; None if it has no boundary."""
    known = inspect.getgeneratorlocals(gen)
    if "query" in known:
        query = known["query"]
        if isinstance(query, Composable):
            query = query.as_string(None)
        return label_of(query.decode() if isinstance(query, bytes) else str(query)) or None
    if gen.__name__ == "_enter_gen" or gen.__name__.startswith("_set_"):
        return None
    if gen.__name__ == "_exit_gen":
        return "COMMIT" if known.get("exc_val") is None else "ROLLBACK"
    name = str(gen.__name__)
    return _WORDS.get(name, name.strip("_").removesuffix("_gen").upper())


@cache
def label_of(sql: str) -> str:
    """A statement in one or two words: its verb, and its table or its function. An empty one has none."""
    sql = _COMMENTS.sub(" ", sql)
    words = sql.split(None, 1)
    verb = words[0].rstrip(";").upper() if words else ""
    if verb in _ALONE:
        return verb
    changed = list(_CHANGED.finditer(sql)) if verb == "WITH" else []
    if changed:  # the last one is the statement itself
        return f"{changed[-1].group(1).split()[0].upper()} {changed[-1].group(2)}"
    verb = "SELECT" if verb == "WITH" else verb
    found = _FUNCTION.search(sql) or _TABLE.search(sql)
    return f"{verb} {found.group(1)}" if found else verb


def _with_now(original: Callable[..., Any]) -> Callable[..., Any]:
    def run(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        return original(self, _rewritten(query), *arguments, **options)

    return run


def _rewritten(query: Any) -> Any:
    """The statement with `now()` instead of the keywords that have the same value."""
    if isinstance(query, Composable):
        text = query.as_string(None)
        return _NOW.sub("now()", text).encode() if _NOW.search(text) else query
    if isinstance(query, bytes):
        return _NOW.sub("now()", query.decode()).encode()
    return _NOW.sub("now()", query) if isinstance(query, str) else query
