"""A virtual process: a greenlet that runs the real code to its next boundary, and stands there.

A process can be brought back to where it stood: a fresh one is fed its log (see `standing.py`).
"""

from collections.abc import Callable
from typing import Any, NoReturn

from greenlet import getcurrent, greenlet

from failure_modes.checker.experiment.scope import Granularity
from failure_modes.checker.simulation.host import Host
from failure_modes.checker.simulation.log import Log
from failure_modes.checker.simulation.process_snapshot import AT_REST, Entry, Look, Moved, Returned, Standing
from failure_modes.checker.simulation.stateless import Watched, never_changes
from failure_modes.checker.simulation.stepping import At, Crashed, NotTheSame, Ran, SteppingConnection
from model.actions import Action

SLEEPS_MAX = 100
"""Sleeps between two boundaries; a process that needs more will never reach the next one."""

Program = Callable[["Process"], None]


class Process:
    """One virtual process."""

    def __init__(self, world: Host, name: str, program: Program) -> None:
        self.name = name
        self.world = world
        self.dead = False
        self.at = At.IDLE
        self.at_rest = True
        """Nothing has happened since the process started, slept, or was done with what it was asked."""
        self.read_at: int | None = None
        """The time that the current transaction read last."""
        self.first_read_at: int | None = None
        """The time that it read first."""
        self.blocked_since: int | None = None
        self.job_in_hand: int | None = None
        self.pending: Action | None = None
        """What its transaction, once it commits, will have been: for the lock-step."""
        self.insists = False
        """Whether what it is about is tried again until the store answers."""
        self.looks: tuple[frozenset[int], ...] = ()
        """For each time that its transaction looked for jobs: those it could have got."""
        self.watched: Watched | None = None
        self.log = Log()
        self._again_from: int | None = None
        self._standing: Standing | None = AT_REST
        self.statements: list[Ran] = []
        """What ran since it was last resumed."""
        self.has_called = False
        """Whether it called the gateway since then."""
        self.read_clock = False
        """Whether it read its clock since then."""
        self._program = program
        self._greenlet: greenlet | None = None
        self.connection: SteppingConnection | None = None
        self._intent: Action | None = None
        self._asked = False
        self._error: Exception | None = None
        self._refused: BaseException | None = None
        self._sleeps = 0
        self._ran: str | None = None
        self._looked: Look | None = None
        self._ended: tuple[bool, bool] | None = None

    # What the world does with a process.

    def start(self) -> None:
        """Run to the first boundary that is not on record."""
        self.world.settle()
        self.log.fed = 0
        self._greenlet = greenlet(self._main, parent=getcurrent())
        self._switch()
        self._again_from = None
        if not self.log.at_end:
            self.refuse(NotTheSame(f"process {self.name} stopped before it came to where it stood"))

    @property
    def pid(self) -> int | None:
        """Its number, where it is a process of the operating system."""
        return None

    @property
    def waits(self) -> bool:
        """Whether it waits for a lock that nobody has let go of since."""
        return self.blocked_since is not None and self.blocked_since == self.world.releases

    @property
    def under_way(self) -> int:
        """Its place among those whose statement lies at a server; 0 if none does."""
        return 0

    @property
    def in_transaction(self) -> bool:
        """Whether it holds a transaction open."""
        return self.connection is not None and self.connection.holds

    def resume(self, intent: Action) -> Moved:
        """Run on to the next boundary."""
        self.world.settle()
        if self._greenlet is None:
            self.start()
        self._intent, self._ran, self._ended, self._error = intent, None, None, None
        self.at_rest, self.blocked_since, self._sleeps, self._standing = False, None, 0, None
        self.statements, self.read_clock, self.has_called, self._looked = [], False, False, None
        self._switch()
        if self._greenlet is None or self._greenlet.dead:
            self.kill()
        committed, changed = self._ended or (False, False)
        return Moved(
            ran=self._ran,
            committed=committed,
            changed=changed,
            rolled_back=self._ended is not None and not committed,
            blocked=self.blocked_since is not None,
            error=self._error,
            look=self._looked,
            problem=next((ran.problem for ran in reversed(self.statements) if ran.problem), None),
        )

    def kill(self) -> None:
        """Die here. Nothing durable happens from now on; a fresh process may be started."""
        self.dead = True
        if self._greenlet is not None and not self._greenlet.dead:
            self._greenlet.throw(Crashed)
        if self.connection is not None and self.connection.kill(close=not self.world.restorable):
            self.world.releases += 1
        self._greenlet = self.connection = None
        self.dead, self.at, self.at_rest, self._asked = False, At.IDLE, True, False
        self.blocked_since = self.job_in_hand = self.read_at = self.pending = None
        self.looks = ()
        self.log.clear()
        self._standing = AT_REST

    def stands(self) -> Standing:
        """Where it stands."""
        known, waits = self._standing, self.waits
        if known is None or known.waits is not waits or known.under_way != self.under_way:
            known = self._standing = AT_REST if self.at_rest else self._stands(waits=waits)
        return known

    def known_as(self, standing: Standing) -> None:
        """Say that where it stands is this very value, so that it is not put back to where it is."""
        self._standing = standing

    def _stands(self, *, waits: bool) -> Standing:
        return Standing(
            at=self.at,
            at_rest=False,
            waits=waits,
            in_transaction=self.in_transaction,
            job_in_hand=self.job_in_hand,
            pending=self.pending,
            log=tuple(self.log.entries),
            under_way=self.under_way,
            looks=self.looks,
        )

    def stand(self, standing: Standing) -> None:
        """Come to stand there; its log is fed to it when it is next moved."""
        self.kill()
        self.at, self.at_rest = standing.at, standing.at_rest
        self.job_in_hand, self.pending = standing.job_in_hand, standing.pending
        self.log.entries = list(standing.log)
        self._standing = standing

    def begin_again(self) -> None:
        """Run the statements of the transaction that it holds open once more: they hold locks."""
        begins = [n for n, entry in enumerate(self.log.entries) if _begins(entry)]
        if not begins:
            self.refuse(NotTheSame(f"process {self.name} holds a transaction that it never began"))
        self._again_from = begins[-1]
        self.start()

    def refuse(self, error: BaseException) -> NoReturn:
        """Stop: nothing that is found from here on can be trusted. Raised to whoever moves the process."""
        self._refused = error
        raise error

    def _switch(self) -> None:
        assert self._greenlet is not None, "a process that moves was started"
        self._greenlet.switch()
        if self._refused is not None:
            raise self._refused

    # What the process itself runs, and what its connection and clock report.

    def _main(self) -> None:
        try:
            self._program(self)
        except Crashed:
            pass
        except Exception as error:  # the system raised where it should not: the lock-step says so
            self._error = error

    def connect(self, target: str) -> Any:
        """A connection that pauses this process."""
        self.connection = self.world.connection(self, target)
        return self.connection

    def reconnect(self, connection: SteppingConnection) -> None:
        """Use the connection that an earlier process of this name had."""
        connection.holds = False
        self.connection = connection

    def pause(self, at: At) -> Action:
        """Stop here until resumed. Returns what was asked. Raises Crashed if the process dies here."""
        if self.dead:
            raise Crashed
        asked = self.log.next()
        if asked is None:
            self.at = at
            self.world.hub.switch()
            assert self._intent is not None, "a process is resumed with an intent"
            asked = self._intent
            self.log.append(asked)
        if isinstance(asked, Ran | int | Returned):
            self.refuse(NotTheSame(f"process {self.name} paused {at}, where it had not paused"))
        return asked

    def ask(self, at: At) -> Action:
        """Pause where an intent is taken; its first transaction then begins without a further pause."""
        intent = self.pause(at)
        self._asked = True
        return intent

    def reached(self, at: At, statement: str) -> None:
        """Pause here if this is a boundary at the granularity of this world."""
        every = self.world.scope.granularity is Granularity.STATEMENT
        if every or (at is At.BEGIN and not self._asked):
            self.pause(at)
        if at is not At.COMMITTED:
            self._ran = statement

    def recorded(self, sql: str, parameters: tuple[Any, ...]) -> Ran | None:
        """What this statement gave when it was run before; None when it never was."""
        ran = self.log.next()
        if ran is None:
            return None
        if not isinstance(ran, Ran) or (ran.sql, ran.parameters) != (sql, parameters):
            self.refuse(NotTheSame(f"process {self.name} asked for {sql!r}, which it had not asked for"))
        return ran

    def must_run_again(self) -> bool:
        """Whether the statement on record belongs to a transaction that is still open."""
        return self._again_from is not None and self.log.fed > self._again_from

    def record(self, ran: Ran) -> None:
        """Put on record what a statement gave."""
        unexplorable = self.world.unexplorable(ran)
        if unexplorable is not None:
            self.refuse(unexplorable)
        self.statements.append(ran)
        self.log.append(ran)

    def blocked(self, statement: str) -> None:
        """Pause until another process has let go of a lock. What was tried in vain leaves no mark."""
        self.log.take_back()
        self.blocked_since = self.world.releases
        self.pause(self.at)
        self._ran = statement

    def began(self) -> None:
        """A transaction began."""
        self._asked = False
        self.read_at, self.first_read_at, self.looks = None, None, ()

    def ended(self, *, committed: bool, changed: bool, looked: bool) -> None:
        """The transaction ended."""
        self._ended = (committed, changed)
        self.world.releases += 1
        if not looked:
            self.world.changed = self.world.told = True

    def let_go(self) -> None:
        """Its transaction failed, and its locks are gone before it has been rolled back."""
        self.world.releases += 1

    def looks_for(self, unheld: tuple[int, ...]) -> None:
        """It is about to look for jobs; nobody holds these."""
        self._looked = Look(unheld, self.read_at)

    def now(self) -> int:
        """The clock, as this process reads it."""
        read = self.log.next()
        if read is None:
            read = self.world.clock.now()
            self.read_clock = True
            self.log.append(read)
        if not isinstance(read, int):
            self.refuse(NotTheSame(f"process {self.name} read its clock, where it had not read it"))
        self.read_at = read
        self.first_read_at = read if self.first_read_at is None else self.first_read_at
        return read

    def answered(self, operation: str) -> Returned | None:
        """What the operation of the queue that begins here gave when it came back; None if it never did."""
        back = self.log.ahead
        if not isinstance(back, Returned):
            return None
        self.log.next()
        if back.operation != operation:
            self.refuse(NotTheSame(f"process {self.name} called {operation}, which it had not called"))
        self._asked = back.asked
        return back

    def called(self, answer: Returned) -> None:
        """It called the gateway, which answered."""
        self.has_called, self._ran = True, answer.operation
        self.log.append(answer)

    def returned(self, operation: str, value: object, began: int) -> None:
        """The operation that began there in the log came back: only its answer is remembered."""
        self._look()
        if never_changes(value):
            self.log.condense(began, Returned(operation, value, self._asked))

    def _look(self) -> None:
        unexplorable = self.watched.unexplorable() if self.watched else None
        if unexplorable is not None:
            self.refuse(unexplorable)

    def rest(self) -> None:
        """It has nothing in hand: what it saw until now is no part of what it does next."""
        if self.log.at_end:
            self._look()
            self.at_rest, self.job_in_hand = True, None
            self.log.clear()

    def sleep(self, seconds: float) -> None:
        """A process that sleeps is at rest, unless it insists on something that it has in hand.

        Time passes only when the schedule says so.
        """
        del seconds
        if not self.insists:
            self.rest()
        self._sleeps += 1
        if self._sleeps > SLEEPS_MAX:
            raise RuntimeError(f"it slept {SLEEPS_MAX} times on end, and never asked the store")


def _begins(entry: Entry) -> bool:
    return isinstance(entry, Ran) and entry.sql.startswith("BEGIN ")
