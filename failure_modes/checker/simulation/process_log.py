"""The log of a process since it was last at rest: intents, results of statements, times and answers.

A restored process replays its log: each time that it asks for an entry, it gets the next one. A process that
asks for another entry than its log has is not deterministic. It is refused, since no later result of it can
be trusted.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from failure_modes.checker.simulation.process_snapshot import Entry, Intent, Returned
from failure_modes.checker.simulation.stepping import NotDeterministic, StatementResult

_NO_INTENTS = (StatementResult, int, Returned)


class ProcessLog:
    """A log that a process writes, and replays when it is restored."""

    def __init__(self, name: str, refuse: Callable[[Exception], NoReturn]) -> None:
        """`name` is the name of the process; `refuse` stops it."""
        self._name = name
        self._refuse = refuse
        self._entries: list[Entry] = []
        self._next_index = 0
        """The index of the entry that is replayed next."""
        self._repeat_from: int | None = None
        """The index of the BEGIN whose transaction runs again; None if none runs again."""

    # The process reads and writes.

    @property
    def length(self) -> int:
        """The number of entries that the process has replayed or written."""
        return self._next_index

    @property
    def at_end(self) -> bool:
        """True if no entry is left to replay."""
        return self._next_index == len(self._entries)

    @property
    def repeats(self) -> bool:
        """True if the last replayed statement belongs to the open transaction, which must lock again."""
        return self._repeat_from is not None and self._next_index > self._repeat_from

    def intent(self, at: str) -> Intent | None:
        """The recorded intent of this pause; None if no entry is left."""
        if self._next_index == len(self._entries):
            return None
        entry = self._next()
        if isinstance(entry, _NO_INTENTS):
            self._differs(f"paused {at}, where it had not paused")
        return entry

    def statement(self, sql: str, parameters: tuple[Any, ...]) -> StatementResult | None:
        """The recorded result of this statement; None if no entry is left."""
        if self._next_index == len(self._entries):
            return None
        entry = self._next()
        if not isinstance(entry, StatementResult) or (entry.sql, entry.parameters) != (sql, parameters):
            self._differs(f"ran {sql!r}, which it had not run")
        return entry

    def time(self) -> int | None:
        """The recorded time; None if no entry is left."""
        if self._next_index == len(self._entries):
            return None
        entry = self._next()
        if not isinstance(entry, int):
            self._differs("read its clock, where it had not read it")
        return entry

    def answer(self, operation: str) -> Returned | None:
        """The recorded answer of this operation; None if the next entry is not an answer."""
        if self.at_end or not isinstance(answer := self._entries[self._next_index], Returned):
            return None
        self._next_index += 1
        if answer.operation != operation:
            self._differs(f"called {operation}, which it had not called")
        return answer

    def append(self, entry: Entry) -> None:
        """Write an entry."""
        self._entries.append(entry)
        self._next_index += 1

    def drop_last(self) -> None:
        """Remove the last entry."""
        self._entries.pop()
        self._next_index -= 1

    def condense(self, began: int, entry: Entry) -> None:
        """Replace all entries from index `began` on by one."""
        self._entries[began:] = [entry]
        self._next_index = len(self._entries)

    def clear(self) -> None:
        """Remove all entries."""
        self._entries.clear()
        self._next_index = 0

    # The world restores.

    def snapshot(self) -> tuple[Entry, ...]:
        """All entries, as a value."""
        return tuple(self._entries)

    def restore(self, entries: tuple[Entry, ...]) -> None:
        """Restore the entries of a snapshot. The process replays them from the first when it next moves."""
        self._entries = list(entries)
        self._next_index = 0

    def rewind(self) -> None:
        """Let a fresh process replay from the first entry."""
        self._next_index = 0

    def end(self) -> None:
        """End the replay. Refuses a process that paused before the last entry."""
        self._repeat_from = None
        if not self.at_end:
            self._differs("paused before the end of its log")

    def repeat_transaction(self) -> None:
        """Let the replay run the statements of the open transaction again."""
        begins = [at for at, entry in enumerate(self._entries) if _begins(entry)]
        if not begins:
            self._differs("holds a transaction that it never began")
        self._repeat_from = begins[-1]

    def _next(self) -> Entry:
        entry = self._entries[self._next_index]
        self._next_index += 1
        return entry

    def _differs(self, how: str) -> NoReturn:
        self._refuse(NotDeterministic(f"process {self._name} {how}"))


def _begins(entry: Entry) -> bool:
    return isinstance(entry, StatementResult) and entry.sql.startswith("BEGIN ")
