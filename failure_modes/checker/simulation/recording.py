"""What is recorded of a process while it runs: its current transaction, and its current step.

A step is what a process does from one boundary to the next; at most one transaction ends in it. Only the
process writes these records, by their methods; the oracles read them.
"""

from collections.abc import Hashable

from failure_modes.checker.simulation.process_snapshot import Intent, Look, StepResult
from failure_modes.checker.simulation.stepping import StatementResult


class TransactionRecord:
    """The transaction that a process has open, or had open last."""

    def __init__(self) -> None:
        self.read_at: int | None = None
        """The time that it read last."""
        self.first_read_at: int | None = None
        """The time that it read first."""
        self.looks: tuple[frozenset[int], ...] = ()
        """For each time that it looked for rows that nobody holds: those it could have got."""
        self.pending: Intent | None = None
        """What it will have been, once it commits. It outlives the rollback of a first try."""
        self.expected: Hashable | None = None
        """What the system must answer, from the commit until it answers. The process does not know it."""

    def begin(self) -> None:
        """A new one begins; what it is for was said before."""
        self.read_at, self.first_read_at, self.looks = None, None, ()

    def read(self, now: int) -> None:
        """It read the clock."""
        self.read_at = now
        if self.first_read_at is None:
            self.first_read_at = now

    def saw(self, visible: frozenset[int]) -> None:
        """It looked for rows that nobody holds, and could have got these."""
        self.looks += (visible,)

    def take_looks(self) -> tuple[frozenset[int], ...]:
        """What it could see each time that it looked; asked for once."""
        looks, self.looks = self.looks, ()
        return looks

    def intend(self, intent: Intent) -> Intent:
        """It is for this, unless what it is for was said before. Returns what it is for."""
        if self.pending is None:
            self.pending = intent
        return self.pending

    def settle(self) -> None:
        """What it was for is done, or given up."""
        self.pending = None

    def expect(self, answer: Hashable | None) -> None:
        """It was committed, and the system must answer this. None: another transaction will answer."""
        self.expected = answer

    def take_expected(self) -> Hashable | None:
        """What the system must answer, now that it answers; asked for once. None if nothing was committed."""
        expected, self.expected = self.expected, None
        return expected

    def report(self, read_at: int | None) -> None:
        """A process that runs elsewhere says what time it read last."""
        self.read_at = read_at

    def restore(self, pending: Intent | None, expected: Hashable | None = None) -> None:
        """Be for this, where a process once stood; the rest is read again when the process is fed its log."""
        self.read_at, self.looks, self.pending, self.expected = None, (), pending, expected


class StepRecord:
    """The step that a process is in, or took last."""

    def __init__(self) -> None:
        self.statements: list[StatementResult] = []
        """What ran in it."""
        self.called_gateway = False
        self.read_clock = False
        self.sleeps = 0
        self.answers: tuple[Hashable, ...] = ()
        """What the system answered in it."""
        self._ran: str | None = None
        self._looked: Look | None = None
        self._ended: tuple[bool, bool] | None = None
        self._error: Exception | None = None

    def begin(self) -> None:
        """A new one begins."""
        self.statements = []
        self.called_gateway = self.read_clock = False
        self.sleeps = 0
        self.answers = ()
        self._ran = self._looked = self._ended = self._error = None

    def reach(self, statement: str) -> None:
        """The process goes on with this statement."""
        self._ran = statement

    def run(self, ran: StatementResult) -> None:
        """A statement ran."""
        self.statements.append(ran)

    def read(self) -> None:
        """The process read its clock."""
        self.read_clock = True

    def call(self, operation: str) -> None:
        """The process called the gateway, which answered."""
        self.called_gateway, self._ran = True, operation

    def sleep(self) -> int:
        """The process sleeps. Returns how often it has slept in this step."""
        self.sleeps += 1
        return self.sleeps

    def answer(self, answer: Hashable) -> None:
        """The system answered this to the program."""
        self.answers += (answer,)

    def look(self, look: Look) -> None:
        """The process is about to look for rows that nobody holds."""
        self._looked = look

    def end(self, *, committed: bool, changed: bool) -> None:
        """Its transaction ended."""
        self._ended = committed, changed

    def fail(self, error: Exception) -> None:
        """The program raised where it should not."""
        self._error = error

    def result(self, *, blocked: bool) -> StepResult:
        """What the process did in it."""
        committed, changed = self._ended or (False, False)
        return StepResult(
            ran=self._ran,
            committed=committed,
            changed=changed,
            rolled_back=self._ended is not None and not committed,
            blocked=blocked,
            error=self._error,
            look=self._looked,
            answers=self.answers,
            problem=next((ran.problem for ran in reversed(self.statements) if ran.problem), None),
        )
