"""The virtual process, as its program sees it: intents, the system, the clock, and when it rests.

What the connection of the process reports is in `process_boundaries.py`. How the world starts, moves, kills
and restores a process is in `process.py`.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from failure_modes.checker.simulation.content import Unexplorable
from failure_modes.checker.simulation.host import Host
from failure_modes.checker.simulation.process_boundaries import ProcessBoundaries
from failure_modes.checker.simulation.process_snapshot import Intent, Returned
from failure_modes.checker.simulation.process_work import ProcessWork
from failure_modes.checker.simulation.stateless import Watched, never_changes, watched
from failure_modes.checker.simulation.stepping import PausePoint, SimulationPart, SteppingConnection

SLEEPS_MAX = 100
"""Sleeps between two boundaries; a process that needs more will never reach the next one."""

_TOKEN = "token"


class ProcessContext(SimulationPart):
    """One virtual process, as its program sees it."""

    def __init__(self, world: Host, name: str, boundaries: ProcessBoundaries) -> None:
        self.world = world
        self.name = name
        self.log = boundaries.log
        self.connection: SteppingConnection | None = None
        self.work = ProcessWork()
        self._boundaries = boundaries
        self._transaction = boundaries.transaction
        self._step = boundaries.step
        self._keeps_nothing = world.subject.keeps_nothing
        self._watched: Watched | None = None
        self._open_system: tuple[Any, SteppingConnection] | None = None
        self._retries = False

    # The world's commands.

    def start(self) -> None:
        """Prepare for a fresh greenlet that runs the program."""
        self.log.rewind()
        self.work.start()

    def reset(self) -> None:
        """Restore the state from before the first start."""
        self.connection = None
        self.work.end()

    # The system.

    def open(self) -> Any:
        """The system of this process: new objects, with a connection of their own.

        If the system keeps nothing in memory, a restored process reuses the objects that it had.
        """
        if self._open_system is not None:
            system, connection = self._open_system
            if not self.world.database.is_lost(connection):
                connection.reopen()
                self.connection = connection
                return system  # what it has kept in memory since it was opened is still watched
        self._open_system = None
        system = self.world.subject.open(self, self.world.database.location)
        if self.world.restorable:
            self._watch(system)
        if self.connection is not None and (self.world.records_answers or self._may_be_reused(system)):
            self._open_system = system, self.connection
        return system

    @property
    def files_stay(self) -> bool:
        """True in a restorable world: it alone has the files, or there are none."""
        return self.world.restorable

    def _may_be_reused(self, system: Any) -> bool:
        """True in a world that starts over, if nothing of the system can change: it is as good as new."""
        return self.world.reusable and never_changes(system, self._keeps_nothing)

    def connect(self, target: str) -> Any:
        """A connection that pauses this process."""
        again = self.connection is not None
        self.connection = self.world.database.connection(self._boundaries, target, again=again)
        if self._open_system is not None:
            self._open_system = self._open_system[0], self.connection
        return self.connection

    def end_set_up(self) -> None:
        """From now on each statement of the connection is a place to pause."""
        assert self.connection is not None, "a process that is set up is connected"
        self.connection.end_set_up()

    # The program.

    @property
    def current(self) -> "ProcessContext":
        """The thread of this process that runs now: its only one."""
        return self

    def share(self, value: object) -> None:
        """Let the other threads of this process use the value. There are none."""

    def ask(self, at: PausePoint, *, pauses_again: bool = False) -> Intent:
        """Pause for an intent.

        The first transaction of an intent begins without a further pause, unless it `pauses_again`.
        """
        intent = self._boundaries.pause(at)
        self._transaction.expect(not pauses_again)
        return intent

    def set_current_job(self, job: int) -> None:
        """Set the job that the program works on, until the process rests."""
        self.work.begin_job(job)

    def rest(self) -> None:
        """Rest: the program holds nothing that decides what the process does next."""
        self.work.pass_rest()
        if self.log.at_end:
            self._check_memory()
            self.work.end()
            self.log.clear()

    @contextmanager
    def retrying(self) -> Iterator[None]:
        """Inside, the program retries until the database answers: the process does not rest in its sleep."""
        self._retries = True
        try:
            yield
        finally:
            self._retries = False

    def now(self) -> int:
        """The time that the process reads, in milliseconds."""
        read = self.log.time()
        if read is None:
            read = self.world.clock.now() + self.world.clock.skew(self.name)
            self._step.read()
            self.log.append(read)
        self._transaction.read(read)
        return read

    def sleep(self, seconds: float) -> None:
        """Return at once, and rest unless the program retries: only the schedule lets time pass."""
        del seconds
        if not self._retries:
            self.rest()
        if self._step.sleep() > SLEEPS_MAX:
            raise RuntimeError(f"the process slept {SLEEPS_MAX} times in a row and reached no boundary")

    @property
    def loses_reply(self) -> bool:
        """True if the reply to the COMMIT of the present operation is lost."""
        return self._transaction.loses_reply

    def token(self) -> str:
        """A token for a new row: another one than before the store was last set back."""
        known = self.log.answer(_TOKEN)
        if known is None:
            known = Returned(_TOKEN, f"timeline-{self.world.timeline}", expected=False)
            self.log.append(known)
        return str(known.value)

    # Operations of the system.

    def recorded(self, operation: str) -> Returned | None:
        """The recorded answer of the operation that begins here; None if the log has none."""
        answer = self.log.answer(operation)
        if answer is not None:
            self._transaction.expect(answer.expected)
        return answer

    def called(self, operation: str, answer: object) -> None:
        """Record a call of the gateway, whose effect is durable at once."""
        self._boundaries.began()
        self._boundaries.ended(committed=True, changed=True, read_only=False)
        self._step.call(operation)
        self.log.append(Returned(operation, answer, expected=False))

    def report_answer(self, answer: Hashable) -> None:
        """Report an answer of the system to its program, for an oracle."""
        self._step.answer(answer)

    def returned(self, operation: str, value: object, began: int) -> None:
        """Replace the log entries of an operation, from index `began` on, by its answer."""
        self._check_memory()
        if never_changes(value, self._keeps_nothing):
            self.log.condense(began, Returned(operation, value, self._transaction.expected))

    def _watch(self, system: Any) -> None:
        try:
            self._watched = watched(system, self._keeps_nothing)
        except Unexplorable as error:
            self._boundaries.refuse(error)

    def _check_memory(self) -> None:
        """Refuse the process if the system has kept something in memory between two operations."""
        unexplorable = self._watched.unexplorable() if self._watched else None
        if unexplorable is not None:
            self._boundaries.refuse(unexplorable)
