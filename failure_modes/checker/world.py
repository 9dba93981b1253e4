"""The world the system runs in. It owns all nondeterminism: who moves, when time passes, who dies.

A process (a worker, the producer, the reconciler) is a greenlet that runs the real code until its next
boundary. One process moves at a time. A crash throws `Crashed` into the greenlet where it stands, closes its
connection, and a fresh process takes the name.
"""

import itertools
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from attrs import frozen
from greenlet import getcurrent, greenlet

from failure_modes.checker.scope import Granularity, Scope, Swap, build_queue
from failure_modes.checker.stepping import At, Crashed, SteppingConnection
from model.actions import PRODUCER, RECONCILER, Action, Enqueue, Fail, Heartbeat
from system.clock import ManualClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.store import Job
from system.worker import Context, Worker

SLEEPS_MAX = 100
"""Sleeps between two boundaries; a process that needs more will never reach the next one."""


class HandlerFailed(Exception):
    """What a handler raises when the schedule says `Fail`."""


@frozen(kw_only=True)
class Moved:
    """What a process did between two boundaries. At most one transaction ended in it."""

    ran: str | None = None
    """The statement that ran; None when only code did."""
    committed: bool = False
    changed: bool = False
    rolled_back: bool = False
    blocked: bool = False
    error: Exception | None = None


class Process:
    """One virtual process."""

    def __init__(self, world: "World", name: str, program: Callable[["Process"], None]) -> None:
        self.name = name
        self.world = world
        self.dead = False
        self.at = At.IDLE
        self.statement = ""
        self.at_rest = True
        """Nothing has happened since the process started, slept, or was done with what it was asked."""
        self.read_at: int | None = None
        """The time that the current transaction read."""
        self.blocked_since: int | None = None
        self.job_in_hand: int | None = None
        self._program = program
        self._greenlet: greenlet | None = None
        self._connection: SteppingConnection | None = None
        self._intent: Action | None = None
        self._asked = False
        self._error: Exception | None = None
        self._sleeps = 0
        self._ran: str | None = None
        self._ended: tuple[bool, bool] | None = None

    # What the world does with a process.

    def start(self) -> None:
        """Run to the first boundary."""
        self._greenlet = greenlet(self._main, parent=getcurrent())
        self._greenlet.switch()

    @property
    def waits(self) -> bool:
        """Whether it waits for a lock that nobody has let go of since."""
        return self.blocked_since is not None and self.blocked_since == self.world.releases

    def resume(self, intent: Action) -> Moved:
        """Run on to the next boundary."""
        if self._greenlet is None:
            self.start()
        assert self._greenlet is not None, "start() makes a greenlet"
        self._intent, self._ran, self._ended, self._error = intent, None, None, None
        self.at_rest, self.blocked_since, self._sleeps = False, None, 0
        self._greenlet.switch()
        if self._greenlet.dead:
            self.kill()
        committed, changed = self._ended or (False, False)
        return Moved(
            ran=self._ran,
            committed=committed,
            changed=changed,
            rolled_back=self._ended is not None and not committed,
            blocked=self.blocked_since is not None,
            error=self._error,
        )

    def kill(self) -> None:
        """Die here. Nothing durable happens from now on; a fresh process may be started."""
        self.dead = True
        if self._greenlet is not None and not self._greenlet.dead:
            self._greenlet.throw(Crashed)
        if self._connection is not None:
            self._connection.kill()
        self.world.releases += 1
        self._greenlet = self._connection = None
        self.dead, self.at, self.at_rest, self._asked = False, At.IDLE, True, False
        self.blocked_since = self.job_in_hand = self.read_at = None

    # What the process itself runs, and what its connection and clock report.

    def _main(self) -> None:
        try:
            self._program(self)
        except Crashed:
            pass
        except Exception as error:  # the system raised where it should not: the lock-step says so
            self._error = error

    def connect(self, target: str) -> sqlite3.Connection:
        """A connection that pauses this process."""
        connection = sqlite3.connect(
            target, timeout=0, isolation_level=None, uri=True, factory=SteppingConnection
        )
        connection.attach(self)
        self._connection = connection
        return connection

    def pause(self, at: At, statement: str = "") -> Action:
        """Stop here until resumed. Returns what was asked. Raises Crashed if the process dies here."""
        if self.dead:
            raise Crashed
        self.at, self.statement = at, statement
        self.world.hub.switch()
        assert self._intent is not None, "a process is resumed with an intent"
        return self._intent

    def ask(self, at: At) -> Action:
        """Pause where an intent is taken; its first transaction then begins without a further pause."""
        intent = self.pause(at)
        self._asked = True
        return intent

    def reached(self, at: At, statement: str) -> None:
        """Pause here if this is a boundary at the granularity of this world."""
        every = self.world.scope.granularity is Granularity.STATEMENT
        if every or (at is At.BEGIN and not self._asked):
            self.pause(at, statement)
        if at is not At.COMMITTED:
            self._ran = statement

    def blocked(self, statement: str) -> None:
        """Pause until another process has let go of a lock."""
        self.blocked_since = self.world.releases
        self.pause(self.at, statement)
        self._ran = statement

    def began(self) -> None:
        """A transaction began."""
        self._asked = False
        self.read_at = None

    def ended(self, *, committed: bool, changed: bool) -> None:
        """The transaction ended."""
        self._ended = (committed, changed)
        self.world.releases += 1

    def now(self) -> int:
        """The clock, as this process reads it."""
        self.read_at = self.world.clock.now()
        return self.read_at

    def sleep(self, seconds: float) -> None:
        """A process that sleeps is at rest; time passes only when the schedule says so."""
        del seconds
        self.at_rest = True
        self._sleeps += 1
        if self._sleeps > SLEEPS_MAX:
            raise RuntimeError(f"it slept {SLEEPS_MAX} times on end, and never asked the store")

    def handle(self, job: Job, context: Context) -> None:
        """The handler of every job: it does what it is asked to."""
        self.job_in_hand = job.id
        while isinstance(intent := self.ask(At.HANDLER), Heartbeat):
            context.heartbeat()
        if isinstance(intent, Fail):
            raise HandlerFailed("as the schedule says")
        context.write(json.loads(job.payload))


class World:
    """One run: a database file, a clock, and the processes."""

    def __init__(self, scope: Scope, swap: Swap) -> None:
        self.scope = scope
        self.hub = getcurrent()
        self.clock = ManualClock()
        self.releases = 0
        self._swap = swap
        self._path = _fresh_database()
        self.observer = SQLiteStore(self._path, clock=self.clock)
        programs = dict.fromkeys(scope.names, _work) | {PRODUCER: _produce, RECONCILER: _reconcile}
        self.processes = {name: Process(self, name, program) for name, program in programs.items()}

    def queue(self, process: Process) -> Queue:
        """The system as this process sees it: new objects, a connection of its own."""
        store = SQLiteStore(self._path, clock=process, connect=process.connect)
        return build_queue(store, self.scope.settings, self._swap)

    def close(self) -> None:
        """Kill every process and remove the database."""
        for process in self.processes.values():
            process.kill()
        self.observer.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)


def _work(process: Process) -> None:
    queue = process.world.queue(process)
    Worker(queue, process.handle, name=process.name, clock=process).run()


def _produce(process: Process) -> None:
    queue = process.world.queue(process)
    while True:
        process.at_rest = True
        intent = process.ask(At.IDLE)
        assert isinstance(intent, Enqueue), "the producer is asked to enqueue"
        job = queue.enqueue(intent.key, key=intent.key, actor=process.name)
        if (job.key, json.loads(job.payload)) != (intent.key, intent.key):
            raise RuntimeError(f"enqueue of key {intent.key} was answered with the job of key {job.key}")


def _reconcile(process: Process) -> None:
    queue = process.world.queue(process)
    while True:
        process.at_rest = True
        process.ask(At.IDLE)
        queue.reconcile(actor=process.name)


_numbers = itertools.count(1)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    memory = Path("/dev/shm")  # a memory file system, where there is one
    return tempfile.TemporaryDirectory(prefix="queue-", dir=memory if memory.is_dir() else None)


@cache
def _template() -> Path:
    path = Path(_folder().name, "template.db")
    SQLiteStore(path, clock=ManualClock(), create=True).close()
    return path


def _fresh_database() -> Path:
    path = Path(_folder().name, f"run-{next(_numbers)}.db")
    shutil.copyfile(_template(), path)
    return path
