"""A virtual process: a greenlet that runs the real code to its next boundary, and stands there.

What it does is here. What is recorded of its step and of its transaction is in `recording.py`; what it was
asked and told, from which it can be restored, is in `process_log.py`. Nobody else writes what it holds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from greenlet import getcurrent, greenlet

from failure_modes.checker.experiment.granularity import Granularity
from failure_modes.checker.simulation.content import Unexplorable
from failure_modes.checker.simulation.host import Host
from failure_modes.checker.simulation.process_log import ProcessLog
from failure_modes.checker.simulation.process_snapshot import AT_REST, Intent, Look, Moved, Returned, Standing
from failure_modes.checker.simulation.recording import StepRecord, TransactionRecord
from failure_modes.checker.simulation.stateless import Watched, never_changes, watched
from failure_modes.checker.simulation.stepping import At, Crashed, OfSimulation, Ran, SteppingConnection
from failure_modes.checker.simulation.subject import Program

SLEEPS_MAX = 100
"""Sleeps between two boundaries; a process that needs more will never reach the next one."""


class Process(OfSimulation):
    """One virtual process."""

    def __init__(self, world: Host, name: str, program: Program) -> None:
        self.name = name
        self.world = world
        self.dead = False
        self.at = At.IDLE
        self.at_rest = True
        """Nothing has happened since the process started, slept, or was done with what it was asked."""
        self.blocked_since: int | None = None
        self.job_in_hand: int | None = None
        """What its program says it works on."""
        self.connection: SteppingConnection | None = None
        self.log = ProcessLog(name, self.refuse)
        self.transaction = TransactionRecord()
        self.step = StepRecord()
        self._program = program
        self._greenlet: greenlet | None = None
        self._standing: Standing | None = AT_REST
        self._every_statement = world.granularity is Granularity.STATEMENT
        self._keeps_nothing = world.subject.keeps_nothing
        self._watched: Watched | None = None
        self._intent: Intent | None = None
        self._asked = False
        """Whether an intent was taken whose transaction has yet to begin."""
        self._insists = False
        self._rested = False
        """Whether it has rested since it was started."""
        self._refused: Exception | None = None

    # What the world does with a process.

    def start(self) -> None:
        """Run to the first boundary that is not in the log."""
        self.world.settle()
        self.log.begin()
        self._greenlet = greenlet(self._main, parent=getcurrent())
        self._rested = False
        self._switch()
        if self.world.restorable and not self._rested:
            self.refuse(Unexplorable(f"process {self.name} does something before it first rests"))
        self.log.end()

    @property
    def pid(self) -> int | None:
        """Its number, where it is a process of the operating system."""
        return None

    @property
    def waits(self) -> bool:
        """True if it waits for a lock that nobody has let go of since."""
        return self.blocked_since is not None and self.blocked_since == self.world.releases

    @property
    def under_way(self) -> int:
        """Its place among those whose statement lies at a server; 0 if none does."""
        return 0

    @property
    def in_transaction(self) -> bool:
        """True if it holds a transaction open."""
        return self.connection is not None and self.connection.holds

    def resume(self, intent: Intent) -> Moved:
        """Run on to the next boundary. The intent is what its program is told, where it takes one."""
        self.world.settle()
        if self._greenlet is None:
            self.start()
        self._intent = intent
        self.at_rest, self.blocked_since, self._standing = False, None, None
        self.step.begin()
        self._switch()
        if self._greenlet is None or self._greenlet.dead:
            self.kill()
        return self.step.result(blocked=self.blocked_since is not None)

    def kill(self) -> None:
        """Die here. Nothing durable happens from now on; a fresh process may be started."""
        self.dead = True
        if self._greenlet is not None and not self._greenlet.dead:
            self._greenlet.throw(Crashed)
        if self.connection is not None and self.connection.kill(close=not self.world.restorable):
            self.world.release_locks()
        self._greenlet = self.connection = None
        self.dead, self.at, self.at_rest, self._asked = False, At.IDLE, True, False
        self.blocked_since = self.job_in_hand = None
        self.transaction.restore(None)
        self.log.clear()
        self._standing = AT_REST

    def stands(self) -> Standing:
        """Where it stands."""
        known, waits = self._standing, self.waits
        if known is None or known.waits is not waits or known.under_way != self.under_way:
            known = self._standing = AT_REST if self.at_rest else self._snapshot(waits=waits)
        return known

    def known_as(self, standing: Standing) -> None:
        """Say that where it stands is this very value, so that it is not restored to where it is."""
        self._standing = standing

    def stand(self, standing: Standing) -> None:
        """Come to stand there; its log is fed to it when it is next moved."""
        self.kill()
        self.at, self.at_rest = standing.at, standing.at_rest
        self.job_in_hand = standing.job_in_hand
        self.transaction.restore(standing.pending)
        self.log.restore(standing.log)
        self._standing = standing

    def begin_again(self) -> None:
        """Run the statements of the transaction that it holds open once more: they hold locks."""
        self.log.repeat_transaction()
        self.start()

    def wait(self, *, waits: bool) -> None:
        """Wait for a lock from now on, or for none: as it did where it stands."""
        self.blocked_since = self.world.releases if waits else None

    def refuse(self, error: Exception) -> NoReturn:
        """Stop: nothing that is found from here on can be trusted. Raised to whoever moves the process."""
        self._refused = error
        raise error

    def _switch(self) -> None:
        assert self._greenlet is not None, "a process that moves was started"
        self._greenlet.switch()
        if self._refused is not None:
            raise self._refused

    def _snapshot(self, *, waits: bool) -> Standing:
        return Standing(
            at=self.at,
            at_rest=False,
            waits=waits,
            in_transaction=self.in_transaction,
            job_in_hand=self.job_in_hand,
            pending=self.transaction.pending,
            log=self.log.snapshot(),
            under_way=self.under_way,
            looks=self.transaction.looks,
        )

    # What its program does.

    def _main(self) -> None:
        try:
            self._program(self)
        except Crashed:
            pass
        except Exception as error:  # the system raised where it should not: the lock-step says so
            self.step.fail(error)

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

    def pause(self, at: At) -> Intent:
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

    def ask(self, at: At) -> Intent:
        """Pause where an intent is taken; its first transaction then begins without a further pause."""
        intent = self.pause(at)
        self._asked = True
        return intent

    def works_on(self, job: int) -> None:
        """Its program says what it works on, until it rests."""
        self.job_in_hand = job

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

    def returned(self, operation: str, value: object, began: int) -> None:
        """The operation that began there in the log came back: only its answer is remembered."""
        self._look()
        if never_changes(value, self._keeps_nothing):
            self.log.condense(began, Returned(operation, value, self._asked))

    def rest(self) -> None:
        """It works on nothing: what it saw until now is no part of what it does next."""
        self._rested = True
        if self.log.at_end:
            self._look()
            self.at_rest, self.job_in_hand = True, None
            self.log.clear()

    @contextmanager
    def insisting(self) -> Iterator[None]:
        """Inside, what it is about is tried again until the store answers: it does not rest in its sleep."""
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
            raise RuntimeError(f"it slept {SLEEPS_MAX} times on end, and never asked the store")

    def reached(self, at: At, statement: str) -> None:
        """Pause here if this is a boundary at the granularity of this world."""
        if self._every_statement or (at is At.BEGIN and not self._asked):
            self.pause(at)
        if at is not At.COMMITTED:
            self.step.reach(statement)

    def record(self, ran: Ran) -> None:
        """Put in the log what a statement gave."""
        unexplorable = self.world.unexplorable(ran)
        if unexplorable is not None:
            self.refuse(unexplorable)
        self.step.run(ran)
        self.log.append(ran)

    def blocked(self, statement: str) -> None:
        """Pause until another process has let go of a lock. What was tried in vain leaves no mark."""
        self.log.take_back()
        self.blocked_since = self.world.releases
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
        """It is about to look for jobs; nobody holds these."""
        self.step.look(Look(unheld, self.transaction.read_at))
