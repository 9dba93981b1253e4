"""Records of a process while it runs: its current transaction, and its current step.

A step goes from one boundary to the next; at most one transaction ends in it. The process writes these
records through their methods; the oracles read them.
"""

from collections.abc import Hashable
from typing import Any

from attrs import evolve

from failure_modes.checker.simulation.process_snapshot import Intent, SkipLockedRead, StepResult
from failure_modes.checker.simulation.stepping import StatementResult


class TransactionRecord:
    """The current or last transaction of a process."""

    def __init__(self) -> None:
        self.read_at: int | None = None
        """The last time that the process read in the transaction."""
        self.first_read_at: int | None = None
        """The first time that the process read in the transaction."""
        self._snapshot: Any = None
        self.reads: tuple[int, ...] = ()
        """Each time that the process read in the transaction."""
        self.visible: tuple[frozenset[int], ...] = ()
        """The ids that were visible at each read with SKIP LOCKED."""
        self.seen_first: Any = None
        """What an oracle notes of the rows that the first statement after BEGIN sees."""
        self.pending: Intent | None = None
        """The intent that the transaction carries out. A retry after a rollback keeps it."""
        self.loses_reply = False
        """True if the reply to the COMMIT is lost."""
        self.expected = False
        """True if the process has taken an intent whose transaction has not begun."""
        self.due_answer: Hashable | None = None
        """The answer that the system owes, from the commit until it answers. The process does not know it."""

    def expect(self, expected: bool = True) -> None:
        """Expect the first transaction of an intent."""
        self.expected = expected

    def begin(self) -> None:
        """Begin a new transaction. Its intent stays."""
        self.expected = False
        self.read_at, self.first_read_at, self.reads, self.visible = None, None, (), ()
        self._snapshot = self.seen_first = None

    def read(self, now: int) -> None:
        """Record that the process read the clock."""
        self.read_at = now
        self.reads += (now,)
        if self.first_read_at is None:
            self.first_read_at = now

    def add_visible(self, rows: frozenset[int]) -> None:
        """Add the ids that were visible at a read with SKIP LOCKED."""
        self.visible += (rows,)

    def keep_snapshot(self, snapshot: Any) -> None:
        """Keep what an oracle notes of the rows that a statement sees, while the process is paused in it."""
        self._snapshot = snapshot

    def take_snapshot(self) -> Any:
        """Return what was kept, and remove it. None if the process did not pause within a statement."""
        snapshot, self._snapshot = self._snapshot, None
        return snapshot

    def note_first(self, seen: Any) -> None:
        """Note what the first statement after BEGIN sees; later statements see more."""
        if self.seen_first is None:
            self.seen_first = seen

    def take_visible(self) -> tuple[frozenset[int], ...]:
        """Return the visible ids of each read, and remove them."""
        visible, self.visible = self.visible, ()
        return visible

    def intend(self, intent: Intent) -> Intent:
        """Set the intent if there is none. Returns the intent of the transaction."""
        if self.pending is None:
            self.pending = intent
        return self.pending

    def lose_reply(self, loses: bool) -> None:
        """Set whether the reply to the COMMIT is lost."""
        self.loses_reply = loses

    def set_due_answer(self, answer: Hashable | None) -> None:
        """Set the answer to the committed operation. None: another transaction will answer."""
        self.due_answer = answer

    def take_due_answer(self) -> Hashable | None:
        """Return the answer that is due, and remove it. None if no operation was committed."""
        answer, self.due_answer = self.due_answer, None
        return answer

    def clear_intent(self) -> None:
        """Remove the intent, which is done or given up."""
        self.pending = None

    def report(self, read_at: int | None) -> None:
        """Take over the time that a real process read last."""
        self.read_at = read_at

    def restore(self, pending: Intent | None, due_answer: Hashable | None = None) -> None:
        """Restore the intent and the due answer of a snapshot. The replay of the log restores the rest."""
        self.read_at, self.visible, self.pending, self.expected = None, (), pending, False
        self.due_answer = due_answer


class StepRecord:
    """The current or last step of a process."""

    def __init__(self) -> None:
        self.statements: list[StatementResult] = []
        self.called_gateway = False
        self.read_clock = False
        self.sleeps = 0
        self.answers: tuple[Hashable, ...] = ()
        self._ran: str | None = None
        self._skip_locked: SkipLockedRead | None = None
        self._ended: tuple[bool, bool] | None = None
        self._error: Exception | None = None

    def begin(self) -> None:
        """Begin a new step."""
        self.statements = []
        self.called_gateway = self.read_clock = False
        self.sleeps = 0
        self.answers = ()
        self._ran = self._skip_locked = self._ended = self._error = None

    def reach(self, statement: str) -> None:
        """Record the statement that runs next."""
        self._ran = statement

    def run(self, ran: StatementResult) -> None:
        """Record the result of a statement."""
        self.statements.append(ran)

    def read(self) -> None:
        """Record that the process read its clock."""
        self.read_clock = True

    def call(self, operation: str) -> None:
        """Record that the process called the gateway, and the gateway answered."""
        self.called_gateway, self._ran = True, operation

    def sleep(self) -> int:
        """Record that the process sleeps. Returns the number of sleeps in this step."""
        self.sleeps += 1
        return self.sleeps

    def answer(self, answer: Hashable) -> None:
        """Record an answer of the system."""
        self.answers += (answer,)

    def skip_locked(self, read: SkipLockedRead) -> None:
        """Record a read with SKIP LOCKED."""
        self._skip_locked = read

    def pause_within(self) -> None:
        """Record that the process pauses within its read with SKIP LOCKED."""
        if self._skip_locked is not None:
            self._skip_locked = evolve(self._skip_locked, paused=True)

    def end(self, *, committed: bool, changed: bool) -> None:
        """Record the end of the transaction."""
        self._ended = committed, changed

    def fail(self, error: Exception) -> None:
        """Record an error that the program raised and must not raise."""
        self._error = error

    def result(self, *, blocked: bool, ended: bool = False) -> StepResult:
        """The result of the step. `ended`: the program has returned."""
        committed, changed = self._ended or (False, False)
        return StepResult(
            ran=self._ran,
            committed=committed,
            changed=changed,
            rolled_back=self._ended is not None and not committed,
            blocked=blocked,
            ended=ended,
            error=self._error,
            skip_locked=self._skip_locked,
            answers=self.answers,
            problem=next((ran.problem for ran in reversed(self.statements) if ran.problem), None),
        )
