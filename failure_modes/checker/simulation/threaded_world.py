"""A world on SQLite in which a process has a second thread: a greenlet beside its own.

The threads of a process share its objects, its connections and its death. Each thread is a virtual process of
its own to the schedule: it pauses at its own boundaries, and has its own log. A connection reports each
statement to the thread that runs it. No lock between threads is simulated: all greenlets are one thread to
Python, so a reentrant lock never holds them up, and the lock of SQLite keeps two transactions apart.

The memory that threads share cannot be restored. So such a world is restored by replaying its actions.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from failure_modes.checker.simulation.host import Host
from failure_modes.checker.simulation.process import Process
from failure_modes.checker.simulation.process_boundaries import ProcessBoundaries
from failure_modes.checker.simulation.process_context import ProcessContext
from failure_modes.checker.simulation.process_snapshot import Returned
from failure_modes.checker.simulation.replayed_world import ReplayedWorld
from failure_modes.checker.simulation.sqlite_database import SQLiteDatabase
from failure_modes.checker.simulation.stepping import ConnectingProcess, SimulationPart, SteppingConnection
from failure_modes.checker.simulation.subject import Program, Subject


class ConnectionUser:
    """The thread that uses a connection: for the connection, it is the process that runs now."""

    def __init__(self, shared: "SharedMemory", name: str) -> None:
        """`name` is that of no other connection: a database may keep connections by name."""
        self.name = name
        self.thread: ThreadedProcess | None = None
        """The thread that has a transaction open; None if none has."""
        self._shared = shared

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shared.running.boundaries, name)

    def began(self) -> None:
        """Record that the running thread began a transaction."""
        self.thread = self._shared.running
        self.thread.boundaries.began()

    def ended(self, **how: bool) -> None:
        """Record that the running thread ended the transaction."""
        self.thread = None
        self._shared.running.boundaries.ended(**how)


class SharedMemory(SimulationPart):
    """What the threads of one process share. It is also the process, as the system sees it: see `Client`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.running: ThreadedProcess
        """The thread that runs now, or ran last."""
        self.value: Any = None
        """What the program lets its other threads use."""
        self.threads: list[ThreadedProcess] = []
        self._connections: list[tuple[ConnectionUser, SteppingConnection]] = []

    def add(self, thread: "ThreadedProcess") -> None:
        """One more thread. The first one is the process itself."""
        self.threads.append(thread)
        self.running = thread

    def enter(self, thread: "ThreadedProcess") -> None:
        """Let this thread run next."""
        self.running = thread

    def share(self, value: object) -> None:
        """Let the other threads use the value."""
        self.value = value

    @property
    def files_stay(self) -> bool:
        """True if nothing can remove a file of the database."""
        return self.running.context.files_stay

    def connect(self, target: str) -> SteppingConnection:
        """One more connection for whichever thread uses it."""
        user = ConnectionUser(self, f"{self.name}-{len(self._connections) + 1}")
        database = self.running.world.database
        connection = database.connection(cast(ConnectingProcess, user), target, again=bool(self._connections))
        self._connections.append((user, connection))
        return connection

    def end_set_up(self) -> None:
        """Do nothing: on SQLite the set-up statements are known by their words."""

    def now(self) -> int:
        """The time that the running thread reads."""
        return self.running.context.now()

    def sleep(self, seconds: float) -> None:
        """The running thread sleeps."""
        self.running.context.sleep(seconds)

    def token(self) -> str:
        """A token for a new row that the running thread writes."""
        return self.running.context.token()

    def has_transaction(self, thread: "ThreadedProcess") -> bool:
        """True if the thread has a transaction open."""
        return any(user.thread is thread and one.holds for user, one in self._connections)

    def end(self, *, close: bool) -> bool:
        """The process is dead. Rolls back; returns True if a transaction was open."""
        held = [connection.kill(close=close) for _, connection in self._connections]
        self._connections.clear()
        self.value = None
        return any(held)


class ThreadContext(ProcessContext):
    """A thread, as its program sees it."""

    def __init__(self, world: Host, name: str, boundaries: ProcessBoundaries, shared: SharedMemory) -> None:
        super().__init__(world, name, boundaries)
        self._shared = shared

    @property
    def current(self) -> ProcessContext:
        """The thread of this process that runs now."""
        return self._shared.running.context

    def open(self) -> Any:
        """The system of this process, for all its threads."""
        system = self.world.subject.open(self._shared, self.world.database.location)
        if self.world.restorable:
            self._watch(system)
        return system

    def share(self, value: object) -> None:
        """Let the other threads of this process use the value."""
        self._shared.share(value)

    def sleep(self, seconds: float) -> None:
        """The running thread sleeps: the system has one clock for all its threads."""
        super().sleep(seconds) if self.current is self else self.current.sleep(seconds)

    def take_shared(self) -> Any:
        """What another thread lets this one use."""
        return self._shared.value

    def note(self, name: str, value: object) -> None:
        """Write to the log what this thread has learned from another one."""
        self.log.append(Returned(name, value, expected=False))


class ThreadedProcess(Process):
    """A thread. The first thread of its process is the process itself: with it the others die."""

    context: ThreadContext

    def __init__(self, world: Host, name: str, program: Program, shared: SharedMemory) -> None:
        super().__init__(world, name, program)
        self.shared = shared
        self.context = ThreadContext(world, name, self.boundaries, shared)
        shared.add(self)

    @property
    def in_transaction(self) -> bool:
        """True if the thread has a transaction open."""
        return self.shared.has_transaction(self)

    def kill(self) -> None:
        """Kill the thread; if it is the first one, kill the whole process."""
        if self is not self.shared.threads[0]:
            super().kill()
            return
        for thread in self.shared.threads:
            thread.boundaries.die()
        for thread in self.shared.threads[1:]:
            thread.kill()
        super().kill()
        if self.shared.end(close=not self.world.keeps_connections):
            self.world.release_locks()

    def _enter(self) -> None:
        self.shared.enter(self)


class ThreadedWorld(ReplayedWorld):
    """A world in which processes have second threads."""

    database: SQLiteDatabase

    def __init__(
        self,
        subject: Subject,
        *,
        threads: Mapping[str, str],
        restorable: bool = False,
        reusable: bool = False,
        **options: Any,
    ) -> None:
        """`threads`: the name of each second thread, and of its process."""
        self._threads = threads
        self._shared: dict[str, SharedMemory] = {}
        super().__init__(subject, restorable=restorable, reusable=reusable or restorable, **options)
        self.restores_by_replay = restorable

    def open_database(self, path: Path | None) -> SQLiteDatabase:
        """Open a database that no other world uses."""
        database = super().open_database(path)
        assert isinstance(database, SQLiteDatabase), "such a world is on SQLite"
        return database

    def make_process(self, name: str, program: Program) -> Process:
        """Make a process or a thread, not yet started. The first thread of a process comes first."""
        if name not in self._threads and name not in self._threads.values():
            return super().make_process(name, program)
        of_process = self._threads.get(name)
        if of_process is None:
            self._shared[name] = SharedMemory(name)
        return ThreadedProcess(self, name, program, self._shared[of_process or name])

    def extra_state(self) -> tuple[object, ...]:
        """Nothing: the logs of the threads say what they have learned from each other."""
        return ()
