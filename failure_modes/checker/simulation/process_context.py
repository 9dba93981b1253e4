"""A virtual process from within: what its program, its clock and its connection do with it.

The program takes intents here and says what it works on; the connection and the clock report what happens.
Whatever pauses, pauses here. How a process is started, moved, killed and restored is in `process.py`.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from failure_modes.checker.experiment.granularity import Granularity
from failure_modes.checker.simulation.content import Unexplorable, unexplorable
from failure_modes.checker.simulation.host import Host
from failure_modes.checker.simulation.process_log import ProcessLog
from failure_modes.checker.simulation.process_snapshot import Intent, Look, ProcessSnapshot, Returned
from failure_modes.checker.simulation.recording import StepRecord, TransactionRecord
from failure_modes.checker.simulation.stateless import Watched, never_changes, watched
from failure_modes.checker.simulation.stepping import (
    Crashed,
    OfSimulation,
    PausePoint,
    StatementResult,
    SteppingConnection,
)

SLEEPS_MAX = 100
"""Sleeps between two boundaries; a process that needs more will never reach the next one."""


class ProcessContext(OfSimulation):
    """One virtual process, as what runs in it has it."""

    def __init__(self, world: Host, name: str, refuse: Callable[[BaseException], NoReturn]) -> None:
        """`refuse` stops the process: nothing that is found from there on can be trusted."""
        self.name = name
        self.world = world
        self.refuse = refuse
        self.dead = False
        self.at = PausePoint.IDLE
        self.at_rest = True
        """Nothing has happened since the process started, slept, or was done with what it was asked."""
        self.rested = False
        """Whether it has rested since it was started."""
        self.current_job: int | None = None
        """What its program says it works on."""
        self.blocked_since: int | None = None
        self.connection: SteppingConnection | None = None
        self.log = ProcessLog(name, refuse)
        self.transaction = TransactionRecord()
        self.step = StepRecord()
        self._every_statement = world.granularity is Granularity.STATEMENT
        self._keeps_nothing = world.subject.keeps_nothing
        self._layout = world.subject.layout if world.restorable else None
        self._watched: Watched | None = None
        self._intent: Intent | None = None
        self._asked = False
        """Whether an intent was taken whose transaction has yet to begin."""
        self._insists = False

    # What the process does with it.

    def start(self) -> None:
        """A fresh greenlet is about to run the program."""
        self.log.begin()
        self.rested = False

    def move(self, intent: Intent) -> None:
        """The program is about to run on; it is told this where it takes an intent."""
        self._intent = intent
        self.at_rest, self.blocked_since = False, None
        self.step.begin()

    def die(self) -> None:
        """From now on whatever runs here raises Crashed."""
        self.dead = True

    def reset(self) -> None:
        """Be as before the first start."""
        self.connection = None
        self.dead, self.at, self.at_rest, self._asked = False, PausePoint.IDLE, True, False
        self.blocked_since = self.current_job = None
        self.transaction.restore(None)
        self.log.clear()

    def restore(self, snapshot: ProcessSnapshot) -> None:
        """Stand there; the log is fed to the program when it next moves."""
        self.at, self.at_rest = snapshot.at, snapshot.at_rest
        self.current_job = snapshot.current_job
        self.transaction.restore(snapshot.pending, snapshot.expected)
        self.log.restore(snapshot.log)

    def wait(self, *, waits: bool) -> None:
        """Wait for a lock from now on, or for none."""
        self.blocked_since = self.world.lock_releases if waits else None

    def report(self, *, at: PausePoint, at_rest: bool, current_job: int | None, read_at: int | None) -> None:
        """Be where a process that runs elsewhere says it is."""
        self.at, self.at_rest, self.current_job = at, at_rest, current_job
        self.transaction.report(read_at)

    # What its program does.

    def open(self) -> Any:
        """The system as this process has it: new objects, a connection of its own."""
        return self.world.open(self)

    def watch(self, system: Any) -> None:
        """Refuse the process as soon as the system keeps something in memory between two operations."""
        try:
            self._watched = watched(system, self._keeps_nothing)
        except Unexplorable as error:
            self.refuse(error)

    def connect(self, target: str) -> Any:
        """A connection that pauses this process."""
        self.connection = self.world.connection(self, target)
        return self.connection

    def reconnect(self, connection: SteppingConnection) -> None:
        """Use the connection that an earlier process of this name had."""
        connection.reopen()
        self.connection = connection

    def is_set_up(self) -> None:
        """From now on each statement of its connection is a place to pause."""
        assert self.connection is not None, "a process that is set up is connected"
        self.connection.is_set_up()

    def pause(self, at: PausePoint) -> Intent:
        """Stop here until resumed. Returns what was asked. Raises Crashed if the process dies here."""
        if self.dead:
            raise Crashed
        asked = self.log.intent(at)
        if asked is None:
            self.at = at
            self.world.hub.switch()
            asked = self._intent
            assert asked is not None, "a process is resumed with an intent"
            self.log.append(asked)
        return asked

    def ask(self, at: PausePoint) -> Intent:
        """Pause where an intent is taken; its first transaction then begins without a further pause."""
        intent = self.pause(at)
        self._asked = True
        return intent

    def works_on(self, job: int) -> None:
        """Its program says what it works on, until it rests."""
        self.current_job = job

    def answered(self, operation: str) -> Returned | None:
        """What the operation of the system that begins here gave when it came back; None if it never did."""
        back = self.log.answer(operation)
        if back is not None:
            self._asked = back.asked
        return back

    def called(self, operation: str, answer: object) -> None:
        """It called the gateway, whose work is durable at once."""
        self.began()
        self.ended(committed=True, changed=True, looked=False)
        self.step.call(operation)
        self.log.append(Returned(operation, answer, asked=False))

    def report_answer(self, answer: Hashable) -> None:
        """The system answered this to its program: an oracle compares it."""
        self.step.answer(answer)

    def returned(self, operation: str, value: object, began: int) -> None:
        """The operation that began there in the log came back: only its answer is remembered."""
        self._look()
        if never_changes(value, self._keeps_nothing):
            self.log.condense(began, Returned(operation, value, self._asked))

    def rest(self) -> None:
        """It works on nothing: what it saw until now is no part of what it does next."""
        self.rested = True
        if self.log.at_end:
            self._look()
            self.at_rest, self.current_job = True, None
            self.log.clear()

    @contextmanager
    def insisting(self) -> Iterator[None]:
        """Inside, the program tries again until the database answers: it does not rest in its sleep."""
        self._insists = True
        try:
            yield
        finally:
            self._insists = False

    def _look(self) -> None:
        unexplorable = self._watched.unexplorable() if self._watched else None
        if unexplorable is not None:
            self.refuse(unexplorable)

    # What its clock and its connection report.

    def now(self) -> int:
        """The clock, as this process reads it."""
        read = self.log.time()
        if read is None:
            read = self.world.clock.now()
            self.step.read()
            self.log.append(read)
        self.transaction.read(read)
        return read

    def sleep(self, seconds: float) -> None:
        """A process that sleeps is at rest, unless it insists on something that it works on.

        Time passes only when the schedule says so.
        """
        del seconds
        if not self._insists:
            self.rest()
        if self.step.sleep() > SLEEPS_MAX:
            raise RuntimeError(f"it slept {SLEEPS_MAX} times on end, and never came to a boundary")

    def reached(self, at: PausePoint, statement: str) -> None:
        """Pause here if this is a boundary at the granularity of this world."""
        if self._every_statement or (at is PausePoint.BEGIN and not self._asked):
            self.pause(at)
        if at is not PausePoint.COMMITTED:
            self.step.reach(statement)

    def record(self, ran: StatementResult) -> None:
        """Put in the log what a statement gave."""
        if self._layout is not None and (error := unexplorable(ran, self._layout)) is not None:
            self.refuse(error)
        self.step.run(ran)
        self.log.append(ran)

    def blocked(self, statement: str) -> None:
        """Pause until another process has let go of a lock. What was tried in vain leaves no mark."""
        self.log.take_back()
        self.blocked_since = self.world.lock_releases
        self.pause(self.at)
        self.step.reach(statement)

    def began(self) -> None:
        """A transaction began."""
        self._asked = False
        self.transaction.begin()

    def ended(self, *, committed: bool, changed: bool, looked: bool) -> None:
        """The transaction ended."""
        self.step.end(committed=committed, changed=changed)
        self.world.release_locks()
        if not looked:
            self.world.note_commit()

    def let_go(self) -> None:
        """Its transaction failed, and its locks are gone before it has been rolled back."""
        self.world.release_locks()

    def looks_for(self, unheld: tuple[int, ...]) -> None:
        """It is about to look for rows that nobody holds: these are the ones."""
        self.step.look(Look(unheld, self.transaction.read_at))
