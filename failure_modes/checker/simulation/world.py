"""The world the system runs in. It owns all nondeterminism: who moves, when time passes, who dies.

A process (a worker, the producer, the reconciler) is a greenlet that runs the real code until its next
boundary. One process moves at a time. A crash throws `Crashed` into the greenlet where it stands, closes its
connection, and a fresh process takes the name.

A *restorable* world can be put back to where it once was. At granularity `transaction` no two transactions
overlap, so there all its processes may share one connection to a database in memory.
"""

import itertools
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path

from greenlet import getcurrent

from failure_modes.checker.experiment.scope import Granularity, Scope, Swap, build_queue
from failure_modes.checker.simulation.constraints import drop_constraints, same_token
from failure_modes.checker.simulation.content import (
    Content,
    Unexplorable,
    everything,
    read_content,
    tables_of,
    unexplorable,
    write_content,
)
from failure_modes.checker.simulation.gateway import CHARGES, COLUMNS, Gateway
from failure_modes.checker.simulation.process import Process, Program
from failure_modes.checker.simulation.process_snapshot import Standing
from failure_modes.checker.simulation.sqlite_stepping import SQLiteStepping
from failure_modes.checker.simulation.stateless import is_plain, watched
from failure_modes.checker.simulation.stepping import Ran, SteppingConnection
from failure_modes.checker.support import temporary
from system.clock import ManualClock
from system.queue import Queue
from system.sqlite import SQLiteStore, connecting
from system.store import Store

CONTENTS_MAX = 100_000
"""Contents that are known again."""

Programs = Callable[[Scope], Mapping[str, Program]]
"""For a scope, the program of each process."""

_USUAL = Scope()
_OBSERVER = "observer"
_GATEWAY = "-gateway"


class World:
    """One run: a database, a clock, and the processes."""

    def __init__(
        self,
        scope: Scope,
        swap: Swap,
        *,
        programs: Programs,
        restorable: bool = False,
        forgets: bool = False,
        path: Path | None = None,
    ) -> None:
        """`programs`: what each process runs, by its name.

        `forgets`: a process remembers of an operation of the queue only what it answered.

        `path` is the database of a run that has begun elsewhere; it is not this world's to remove.
        """
        self.scope = scope
        self.restorable = restorable
        self.hub = getcurrent()
        self.clock = ManualClock()
        self.overlaps = False
        """Whether transactions that touch different jobs may be open at the same time."""
        self.replays = False
        """Whether it can be put back only by the way that led there."""
        self.releases = 0
        self.changed = False
        """Whether something was committed since the content was read."""
        self.told = False
        """Whether something was committed since the audit was emptied."""
        self._swap = swap
        self.gateway: Gateway | None = None
        self._open_database(path)
        self._queues: dict[str, tuple[Queue, SteppingConnection]] = {}
        self.processes = {name: self.process(name, program) for name, program in programs(scope).items()}
        self.forgets = forgets and is_plain(build_queue(self.observer, scope.settings, swap))
        self._tables = self._tables_kept() if restorable else ()
        self._present = self._read_content()
        self._wanted: Content | None = None
        """What is to be in the store before it is next used; None if that is there already."""
        self._once: dict[Content, Content] = {}

    def _open_database(self, path: Path | None) -> None:
        """Have a database that nobody else uses, what observes it, and a gateway if there is one."""
        exclusive = self.scope.granularity is Granularity.TRANSACTION
        self._pool: dict[str, tuple[sqlite3.Connection, set[str]]] = {}
        self._in_memory = self.restorable and exclusive and not self.scope.power_loss
        self._owns_path = path is None
        self._path = path or (_template() if self._in_memory else fresh_database(scope=self.scope))
        self._observe()
        if self.scope.settings.external:
            self.gateway = Gateway(":memory:" if self._in_memory else f"{self._path}{_GATEWAY}")

    def _tables_kept(self) -> tuple[str, ...]:
        """The tables that its content is of."""
        return tables_of(self._own)

    def _observe(self) -> None:
        """Open the database for this world itself."""
        self.observer: Store = SQLiteStore(
            self._path,
            clock=self.clock,
            create=self._in_memory,
            connect=lambda target: self.open(_OBSERVER, target)[0],
        )
        self._own, _ = self._pool[_OBSERVER]
        if self._in_memory and not self.scope.constraints:
            drop_constraints(self._own.execute)

    def _target(self, target: str) -> str:
        """What connections open."""
        return ":memory:" if self._in_memory else target

    def open(self, name: str, target: str) -> tuple[sqlite3.Connection, set[str]]:
        """A connection for that process, and what was set on it before.

        A restorable world keeps it for the next process of the same name.
        """
        if not self.restorable and name != _OBSERVER:
            return connecting(0)(self._target(target)), set()
        name = _OBSERVER if self._in_memory else name
        if name not in self._pool:
            self._pool[name] = connecting(0)(self._target(target)), set()
        return self._pool[name]

    def process(self, name: str, program: Program) -> Process:
        """A process of that name, not yet started."""
        return Process(self, name, program)

    def connection(self, process: Process, target: str) -> SteppingConnection:
        """A connection that pauses the process."""
        connection, set_up = self.open(process.name, target)
        return SQLiteStepping(connection, process, set_up)

    def store(self, process: Process) -> Store:
        """The store as this process has it."""
        return SQLiteStore(self._path, clock=process, connect=process.connect, tokens=same_token)

    def queue(self, process: Process) -> Queue:
        """The system as this process sees it: new objects, a connection of its own.

        Where a queue keeps nothing, a process that is brought back may have the one it had.
        """
        known = self._queues.get(process.name)
        if known is not None:
            process.reconnect(known[1])  # what it has kept since it was made is still being watched
            return known[0]
        queue = build_queue(self.store(process), self.scope.settings, self._swap)
        try:
            process.watched = watched(queue) if self.restorable else None
        except Unexplorable as error:
            process.refuse(error)
        if self.forgets and process.connection is not None:
            self._queues[process.name] = queue, process.connection
        return queue

    def unexplorable(self, ran: Ran) -> Unexplorable | None:
        """Why a world in which this ran cannot be put back; None if it can, or need not."""
        return unexplorable(ran) if self.restorable else None

    def content(self) -> Content:
        """What is in the store now, or will be once it is used."""
        if self._wanted is not None:
            return self._wanted
        if self.changed:
            self._present, self.changed = self.same(self._read_content()), False
        return self._present

    def _read_content(self) -> Content:
        return (*self._charged(), *self._rows_kept())

    def _rows_kept(self) -> Content:
        return read_content(self._own, self._tables)

    def _charged(self) -> Content:
        """What is in the gateway, if there is one."""
        return () if self.gateway is None else ((CHARGES, self.gateway.rows()),)

    def same(self, content: Content) -> Content:
        """The object that stands for all contents that are equal to this one."""
        if len(self._once) > CONTENTS_MAX:
            self._once.clear()
        return self._once.setdefault(content, content)

    def left(self) -> Content:
        """Every row of every table there is: what a run has left behind."""
        return (*self._charged(), *everything(self._own))

    def columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of each table."""
        of_gateway = {} if self.gateway is None else {CHARGES: COLUMNS}
        return of_gateway | {
            table: tuple([row[1] for row in self._own.execute(f"PRAGMA table_info({table})")])
            for table in self._tables[:-1]
        }

    def put_back(self, content: Content, now: int, standings: tuple[Standing, ...]) -> None:
        """Be where a world of this scope once was: its store, its time and its processes."""
        pairs = list(zip(self.processes.values(), standings, strict=True))
        for process, there in pairs:
            if process.in_transaction or process.stands() is not there:
                process.stand(there)
        self._wanted = content if self.told or content is not self._present else None
        self.clock = ManualClock(now)
        for process, there in pairs:
            if there.in_transaction:
                process.begin_again()
        for process, there in pairs:
            process.blocked_since = self.releases if there.waits else None

    @property
    def unused(self) -> bool:
        """Whether nothing has run since the world was put back: so nothing can have changed."""
        return self._wanted is not None

    def settle(self) -> None:
        """Let the store be what it was put back to. Called before it is used: many a step leaves it alone."""
        if self._wanted is None:
            return
        present = self._read_content() if self.changed else self._present
        own = slice(len(present) - len(self._tables), None)
        self._write(self._wanted[own], present[own])
        if self.gateway is not None:
            self.gateway.put_back(self._wanted[0][1])
        self._present, self._wanted = self._wanted, None
        self.changed = self.told = False

    def _write(self, wanted: Content, present: Content) -> None:
        """Make the rows what is wanted, and empty the audit."""
        write_content(self._own, wanted, present, audited=self.told)

    def start_over(self) -> None:
        """Be a fresh world. Only where there is no other way to be put back."""
        raise NotImplementedError("this world is put back by its content")

    def beyond(self) -> tuple[object, ...]:
        """What the future depends on, besides the content and where the processes stand."""
        return ()

    def lose_power(self) -> int:
        """Let power fail. Only where it is watched what the disk was told to keep: see `powered.py`."""
        raise NotImplementedError("the disk of this world is not watched")

    def audit_before(self, content: Content) -> int:
        """The id of the last row of the audit, when the world has been put back to this content."""
        del content
        return 0

    def close(self) -> None:
        """Kill every process and remove the database."""
        with ExitStack() as ends:  # each of them, whatever becomes of the others; the last comes first
            if not self._in_memory and self._owns_path:
                for suffix in ("", "-wal", "-shm", _GATEWAY):
                    ends.callback(Path(f"{self._path}{suffix}").unlink, missing_ok=True)
            for connection, _ in self._pool.values():
                ends.callback(connection.close)
            if self.gateway is not None:
                ends.callback(self.gateway.close)
            ends.callback(self.observer.close)
            for process in self.processes.values():
                ends.callback(process.kill)


_numbers = itertools.count(1)


@cache
def _template(*, constraints: bool = True) -> Path:
    path = temporary.own() / ("template.db" if constraints else "template-loose.db")
    SQLiteStore(path, clock=ManualClock(), create=True).close()
    if not constraints:
        with closing(sqlite3.connect(path)) as connection:
            drop_constraints(connection.execute)
    return path


def fresh_database(scope: Scope = _USUAL) -> Path:
    """The path of a database that nobody else has, for a world of that scope."""
    path = temporary.own() / f"run-{next(_numbers)}.db"
    with temporary.room():
        shutil.copyfile(_template(constraints=scope.constraints), path)
    return path
