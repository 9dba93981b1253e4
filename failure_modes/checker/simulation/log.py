"""What a process was asked and told since it was last at rest, and how much of that it has been fed."""

from failure_modes.checker.simulation.process_snapshot import Entry


class Log:
    """A log that a process writes, or is fed from when it is brought back to where it stood."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.fed = 0
        """How much of it the process has been fed, or has written."""

    @property
    def at_end(self) -> bool:
        """Whether the process is on its own."""
        return self.fed == len(self.entries)

    @property
    def ahead(self) -> Entry | None:
        """What the process will be fed next; None once it is on its own."""
        return None if self.at_end else self.entries[self.fed]

    def next(self) -> Entry | None:
        """Feed it."""
        entry = self.ahead
        self.fed += entry is not None
        return entry

    def append(self, entry: Entry) -> None:
        """The process writes."""
        self.entries.append(entry)
        self.fed += 1

    def take_back(self) -> None:
        """What was written last leaves no mark."""
        self.entries.pop()
        self.fed -= 1

    def condense(self, began: int, entry: Entry) -> None:
        """One entry stands for all from there on."""
        self.entries[began:] = [entry]
        self.fed = len(self.entries)

    def clear(self) -> None:
        """Forget it."""
        self.entries.clear()
        self.fed = 0
