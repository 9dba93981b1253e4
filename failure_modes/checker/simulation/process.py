"""A virtual process: a greenlet that runs the real code to its next boundary, and stands there.

Here is what the world does with a process: start, move, kill and restore it. What runs in it has its
`ProcessContext`. What is recorded of its step and of its transaction is in `recording.py`; what it was asked
and told, from which it is restored, in `process_log.py`.
"""

from typing import NoReturn

from greenlet import getcurrent, greenlet

from failure_modes.checker.simulation.content import Unexplorable
from failure_modes.checker.simulation.host import Host
from failure_modes.checker.simulation.process_context import ProcessContext
from failure_modes.checker.simulation.process_log import ProcessLog
from failure_modes.checker.simulation.process_snapshot import AT_REST, Intent, ProcessSnapshot, StepResult
from failure_modes.checker.simulation.recording import StepRecord, TransactionRecord
from failure_modes.checker.simulation.stepping import Crashed, PausePoint, SteppingConnection
from failure_modes.checker.simulation.subject import Program


class Process:
    """One virtual process."""

    def __init__(self, world: Host, name: str, program: Program) -> None:
        self.name = name
        self.world = world
        self.context = ProcessContext(world, name, self.refuse)
        self.log: ProcessLog = self.context.log
        self.transaction: TransactionRecord = self.context.transaction
        self.step: StepRecord = self.context.step
        self._program = program
        self._greenlet: greenlet | None = None
        self._known: ProcessSnapshot | None = AT_REST
        self._refused: BaseException | None = None

    # Where it stands.

    @property
    def at(self) -> PausePoint:
        """What it is about to do."""
        return self.context.at

    @property
    def at_rest(self) -> bool:
        """True if nothing has happened since it started, slept, or was done with what it was asked."""
        return self.context.at_rest

    @property
    def current_job(self) -> int | None:
        """What its program says it works on."""
        return self.context.current_job

    @property
    def connection(self) -> SteppingConnection | None:
        """Its connection to the database, once it has one."""
        return self.context.connection

    @property
    def pid(self) -> int | None:
        """Its number, where it is a process of the operating system."""
        return None

    @property
    def waits(self) -> bool:
        """True if it waits for a lock that nobody has let go of since."""
        since = self.context.blocked_since
        return since is not None and since == self.world.lock_releases

    @property
    def place_at_server(self) -> int:
        """Its place among those whose statement lies at a server; 0 if none does."""
        return 0

    @property
    def in_transaction(self) -> bool:
        """True if it holds a transaction open."""
        connection = self.context.connection
        return connection is not None and connection.holds

    # What the world does with it.

    def start(self) -> None:
        """Run to the first boundary that is not in the log."""
        self.world.settle()
        self.context.start()
        self._greenlet = greenlet(self._main, parent=getcurrent())
        self._switch()
        if self.world.restorable and not self.context.rested:
            self.refuse(Unexplorable(f"process {self.name} does something before it first rests"))
        self.log.end()

    def resume(self, intent: Intent) -> StepResult:
        """Run on to the next boundary. The intent is what its program is told, where it takes one."""
        self.world.settle()
        if self._greenlet is None:
            self.start()
        self._known = None
        self.context.move(intent)
        self._switch()
        if self._greenlet is None or self._greenlet.dead:
            self.kill()
        return self.step.result(blocked=self.context.blocked_since is not None)

    def kill(self) -> None:
        """Die here. Nothing durable happens from now on; a fresh process may be started."""
        self.context.die()
        if self._greenlet is not None and not self._greenlet.dead:
            self._greenlet.throw(Crashed)
        connection = self.context.connection
        if connection is not None and connection.kill(close=not self.world.restorable):
            self.world.release_locks()
        self._greenlet = None
        self.context.reset()
        self._known = AT_REST

    def snapshot(self) -> ProcessSnapshot:
        """Where it stands."""
        known, waits = self._known, self.waits
        if known is None or known.waits is not waits or known.place_at_server != self.place_at_server:
            known = self._known = AT_REST if self.at_rest else self._take_snapshot(waits=waits)
        return known

    def remember(self, snapshot: ProcessSnapshot) -> None:
        """Say that where it stands is this very value, so that it is not restored to where it is."""
        self._known = snapshot

    def restore(self, snapshot: ProcessSnapshot) -> None:
        """Come to stand there; its log is fed to it when it is next moved."""
        self.kill()
        self.context.restore(snapshot)
        self._known = snapshot

    def repeat_transaction(self) -> None:
        """Run the statements of the transaction that it holds open once more: they hold locks."""
        self.log.repeat_transaction()
        self.start()

    def wait(self, *, waits: bool) -> None:
        """Wait for a lock from now on, or for none: as it did where it stands."""
        self.context.wait(waits=waits)

    def refuse(self, error: BaseException) -> NoReturn:
        """Stop: nothing that is found from here on can be trusted. Raised to whoever moves the process."""
        self._refused = error
        raise error

    def _main(self) -> None:
        try:
            self._program(self.context)
        except Crashed:
            pass
        except Exception as error:  # the system raised where it should not: an oracle says so
            self.step.fail(error)

    def _switch(self) -> None:
        assert self._greenlet is not None, "a process that moves was started"
        self._greenlet.switch()
        if self._refused is not None:
            raise self._refused

    def _take_snapshot(self, *, waits: bool) -> ProcessSnapshot:
        return ProcessSnapshot(
            at=self.at,
            at_rest=False,
            waits=waits,
            in_transaction=self.in_transaction,
            current_job=self.current_job,
            pending=self.transaction.pending,
            log=self.log.snapshot(),
            place_at_server=self.place_at_server,
            looks=self.transaction.looks,
            expected=self.transaction.expected,
        )
