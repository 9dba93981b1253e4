"""What a process was asked and told since it was last at rest, and how much of that it has been fed.

A process that is restored is fed its log, entry by entry, and must ask for each entry again. A process that
asks for something else is not deterministic: it is refused, since nothing found from there on can be trusted.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from failure_modes.checker.simulation.process_snapshot import Entry, Intent, Returned
from failure_modes.checker.simulation.stepping import NotTheSame, Ran

_NO_INTENTS = (Ran, int, Returned)


class ProcessLog:
    """A log that a process writes, or is fed from when it is restored."""

    def __init__(self, name: str, refuse: Callable[[Exception], NoReturn]) -> None:
        """`name` is that of the process; `refuse` stops it."""
        self._name = name
        self._refuse = refuse
        self._entries: list[Entry] = []
        self._fed = 0
        self._again_from: int | None = None
        """Where the transaction begins whose statements run once more; None if none do."""

    # What the process does with it.

    @property
    def length(self) -> int:
        """How much of it the process has been fed, or has written."""
        return self._fed

    @property
    def at_end(self) -> bool:
        """True if the process is on its own."""
        return self._fed == len(self._entries)

    @property
    def repeats(self) -> bool:
        """True if the statement fed last belongs to a transaction that is still open: it holds locks."""
        return self._again_from is not None and self._fed > self._again_from

    def intent(self, at: str) -> Intent | None:
        """What the process was asked when it paused there; None if it is on its own."""
        if self._fed == len(self._entries):
            return None
        entry = self._next()
        if isinstance(entry, _NO_INTENTS):
            self._differs(f"paused {at}, where it had not paused")
        return entry

    def statement(self, sql: str, parameters: tuple[Any, ...]) -> Ran | None:
        """What this statement gave when it ran before; None if it never ran."""
        if self._fed == len(self._entries):
            return None
        entry = self._next()
        if not isinstance(entry, Ran) or (entry.sql, entry.parameters) != (sql, parameters):
            self._differs(f"asked for {sql!r}, which it had not asked for")
        return entry

    def time(self) -> int | None:
        """The time that the process read here; None if it is on its own."""
        if self._fed == len(self._entries):
            return None
        entry = self._next()
        if not isinstance(entry, int):
            self._differs("read its clock, where it had not read it")
        return entry

    def answer(self, operation: str) -> Returned | None:
        """What the operation that begins here gave when it came back; None if it never did."""
        if self.at_end or not isinstance(back := self._entries[self._fed], Returned):
            return None
        self._fed += 1
        if back.operation != operation:
            self._differs(f"called {operation}, which it had not called")
        return back

    def append(self, entry: Entry) -> None:
        """The process writes."""
        self._entries.append(entry)
        self._fed += 1

    def take_back(self) -> None:
        """The entry that was written last leaves no mark."""
        self._entries.pop()
        self._fed -= 1

    def condense(self, began: int, entry: Entry) -> None:
        """One entry stands for all from there on."""
        self._entries[began:] = [entry]
        self._fed = len(self._entries)

    def clear(self) -> None:
        """Forget it."""
        self._entries.clear()
        self._fed = 0

    # How it is restored.

    def snapshot(self) -> tuple[Entry, ...]:
        """All of it, as a value."""
        return tuple(self._entries)

    def restore(self, entries: tuple[Entry, ...]) -> None:
        """Be this log. The process is fed it from the start, when it next moves."""
        self._entries = list(entries)
        self._fed = 0

    def begin(self) -> None:
        """A fresh process is fed from here on."""
        self._fed = 0

    def end(self) -> None:
        """The process was fed all of it. One that stopped before the end is refused."""
        self._again_from = None
        if not self.at_end:
            self._differs("stopped before it came to where it stood")

    def repeat_transaction(self) -> None:
        """Let the statements of the transaction that was open run once more, when they are fed."""
        begins = [at for at, entry in enumerate(self._entries) if _begins(entry)]
        if not begins:
            self._differs("holds a transaction that it never began")
        self._again_from = begins[-1]

    def _next(self) -> Entry:
        entry = self._entries[self._fed]
        self._fed += 1
        return entry

    def _differs(self, how: str) -> NoReturn:
        self._refuse(NotTheSame(f"process {self._name} {how}"))


def _begins(entry: Entry) -> bool:
    return isinstance(entry, Ran) and entry.sql.startswith("BEGIN ")
