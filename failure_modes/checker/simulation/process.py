"""A virtual process: a greenlet that runs the real code to its next boundary, and pauses there.

This module holds what the world does with a process: start, resume, kill and restore it. The program of the
process has a `ProcessContext`; its connection reports to the `ProcessBoundaries`. `recording.py` has the
records of its step and of its transaction, and `process_log.py` the log from which it is restored.
"""

from typing import NoReturn

from greenlet import getcurrent, greenlet

from failure_modes.checker.simulation.content import Unexplorable
from failure_modes.checker.simulation.host import Host
from failure_modes.checker.simulation.process_boundaries import ProcessBoundaries
from failure_modes.checker.simulation.process_context import ProcessContext
from failure_modes.checker.simulation.process_snapshot import AT_REST, Intent, ProcessSnapshot, StepResult
from failure_modes.checker.simulation.recording import StepRecord, TransactionRecord
from failure_modes.checker.simulation.stepping import Crashed, PausePoint, SteppingConnection
from failure_modes.checker.simulation.subject import Program


class Process:
    """One virtual process."""

    def __init__(self, world: Host, name: str, program: Program) -> None:
        self.name = name
        self.world = world
        self.boundaries = ProcessBoundaries(world, name, self.refuse)
        self.context = ProcessContext(world, name, self.boundaries)
        self.transaction: TransactionRecord = self.boundaries.transaction
        self.step: StepRecord = self.boundaries.step
        self._program = program
        self._greenlet: greenlet | None = None
        self._known: ProcessSnapshot | None = AT_REST
        """The current snapshot; None if it must be taken."""
        self._refused: BaseException | None = None

    # The current state.

    @property
    def at(self) -> PausePoint:
        """The boundary at which the process is paused."""
        return self.boundaries.at

    @property
    def at_rest(self) -> bool:
        """True if nothing has happened since the process started, slept, or finished an intent."""
        return self.context.work.at_rest

    @property
    def current_job(self) -> int | None:
        """The id of the job that the program works on."""
        return self.context.work.current_job

    @property
    def pending(self) -> Intent | None:
        """The intent that the transaction carries out; None if there is none."""
        return self.transaction.pending

    @property
    def connection(self) -> SteppingConnection | None:
        """The connection to the database; None until the program has opened it."""
        return self.context.connection

    @property
    def pid(self) -> int | None:
        """The process id at the operating system; None for a virtual process."""
        return None

    @property
    def waits(self) -> bool:
        """True if the process waits for a lock, and no lock was released since."""
        since = self.boundaries.blocked_since
        return since is not None and since == self.world.lock_releases

    @property
    def place_at_server(self) -> int:
        """The place among the processes whose statement is at the server; 0 if this one has none there."""
        return 0

    @property
    def in_transaction(self) -> bool:
        """True if the process has a transaction open."""
        connection = self.context.connection
        return connection is not None and connection.holds

    # The world's commands.

    def start(self) -> None:
        """Replay the log in a fresh greenlet, and run to the first boundary after it."""
        self.world.content.write_pending()
        self.context.start()
        self._greenlet = greenlet(self._main, parent=getcurrent())
        self._switch()
        if self.world.restorable and not self.context.work.rested:
            self.refuse(Unexplorable(f"process {self.name} does something before it first rests"))
        self.boundaries.log.end()

    def resume(self, intent: Intent) -> StepResult:
        """Run to the next boundary. A program that asks for an intent gets this one."""
        self.world.content.write_pending()
        if self._greenlet is None:
            self.start()
        self._known = None
        self.context.work.begin_step()
        self.boundaries.begin_step(intent)
        self._switch()
        ended = self._greenlet is None or self._greenlet.dead
        if ended:
            due = self.transaction.due_answer if self.step.answers else None
            self.kill()
            self.transaction.set_due_answer(due)  # the program has answered, and ended in the same step
        return self.step.result(blocked=self.boundaries.blocked_since is not None, ended=ended)

    def kill(self) -> None:
        """Kill the process at its boundary. Its open transaction is rolled back; it may be started again."""
        self.boundaries.die()
        if self._greenlet is not None and not self._greenlet.dead:
            self._enter()
            self._greenlet.throw(Crashed)
        connection = self.context.connection
        if connection is not None and connection.kill(close=not self.world.keeps_connections):
            self.world.release_locks()
        self._greenlet = None
        self.context.reset()
        self.boundaries.reset()
        self._known = AT_REST

    def snapshot(self) -> ProcessSnapshot:
        """The state of the process, as a value."""
        known, waits = self._known, self.waits
        if known is None or known.waits is not waits or known.place_at_server != self.place_at_server:
            known = self._known = AT_REST if self.at_rest else self._take_snapshot(waits=waits)
        return known

    def remember(self, snapshot: ProcessSnapshot) -> None:
        """Take this value, which equals the current snapshot, as the current one.

        A world compares snapshots by identity, and so does not restore a process that is there already.
        """
        self._known = snapshot

    def restore(self, snapshot: ProcessSnapshot) -> None:
        """Restore a snapshot. The log is replayed when the process is next resumed."""
        self.kill()
        self.context.work.restore(snapshot)
        self.boundaries.restore(snapshot)
        self._known = snapshot

    def repeat_transaction(self) -> None:
        """Run the statements of the open transaction again, so that it holds its locks again."""
        self.boundaries.log.repeat_transaction()
        self.start()

    def wait(self, *, waits: bool) -> None:
        """Set whether the process waits for a lock, as its snapshot says."""
        self.boundaries.wait(waits=waits)

    def refuse(self, error: BaseException) -> NoReturn:
        """Stop the process: no later result of it can be trusted. `resume` raises the error."""
        self._refused = error
        raise error

    def _enter(self) -> None:
        """The greenlet of this process runs next."""

    def _main(self) -> None:
        try:
            self._program(self.context)
        except Crashed:
            pass
        except Exception as error:  # the system raised where it must not: an oracle reports that
            self.step.fail(error)

    def _switch(self) -> None:
        assert self._greenlet is not None, "a process that moves was started"
        self._enter()
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
            log=self.boundaries.log.snapshot(),
            place_at_server=self.place_at_server,
            visible=self.transaction.visible,
            due_answer=self.transaction.due_answer,
        )
