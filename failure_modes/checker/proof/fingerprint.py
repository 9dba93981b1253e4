"""When two states are one: a digest of all that the future depends on, and of nothing else.

Two states with one fingerprint have the same futures, because what happens next is a function of

- the store's rows. Times count from now: the system compares times with the clock and with each other, so
  a shift of all of them changes no answer. Ids count by rank: the system only compares them. Jitter and the
  keys for a gateway are made of them, so where there are such ids count as they are;
- for each process, what it has seen since it last was at rest. Its code is deterministic, so this says where
  it stands and what it will do. At rest it is as if it had just been started;
- what the model knows besides: what each worker has in hand; what a gateway has charged; and, where there are
  limits, the retries and failures of late;
- what the ending will be asked: what was accepted, which faults no audit row tells of yet, which jobs were
  given up. The audit's other rows are asked for by nobody: see `content.py`;
- how much of the bounds is spent.

That times and ids are used in no other way is not proved; the tests compare the futures of states that meet.

Workers are interchangeable: a state is the same when the workers change places everywhere. Of all such
renamings the smallest digest is the fingerprint (symmetry reduction, after C. Norris Ip and David L. Dill,
"Better verification through symmetry", 1996).
"""

from hashlib import blake2b
from itertools import compress, permutations
from typing import Any

from attrs import asdict, has

from failure_modes.checker.experiment.bounds import Spent
from failure_modes.checker.experiment.scope import Granularity, Scope
from failure_modes.checker.oracle.records import Snapshot
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.process_snapshot import Entry, Intent, Returned, Standing
from failure_modes.checker.simulation.stepping import Ran, table_of
from failure_modes.checker.simulation.subject import Layout
from model.actions import Enqueue

HOME_BYTES = 4
"""A fingerprint begins with its home, a digest of the store's times alone: most steps leave them alone."""

DIGEST_BYTES = HOME_BYTES + 16
"""Of a hundred million states, two share a digest by chance with a probability of about 1e-23."""

Renaming = dict[str, str]
"""What each worker is called in the fingerprint."""

_REMEMBERED_MAX = 400_000


SYMMETRIC_MAX = 4
"""Workers that may change places. Each more would multiply the cost of a fingerprint by their number."""


def renamings(scope: Scope, *, symmetry: bool) -> tuple[Renaming, ...]:
    """All ways in which workers may change places; without symmetry the one that changes nothing."""
    names = scope.names
    first, others = names[:SYMMETRIC_MAX], names[SYMMETRIC_MAX:]
    orders = permutations(first) if symmetry else [first]
    return tuple([dict(zip(names, (*order, *others), strict=True)) for order in orders])


class Fingerprints:
    """Takes fingerprints, and remembers their parts, since most states share most of them."""

    def __init__(
        self, scope: Scope, columns: dict[str, tuple[str, ...]], layout: Layout, *, symmetry: bool
    ) -> None:
        """`columns` are those of each table; `layout` says which of them hold times and ids."""
        names = scope.names
        self.renamings = renamings(scope, symmetry=symmetry)
        self._places = [
            tuple([names.index(literal) for name in names for literal in names if renaming[literal] == name])
            for renaming in self.renamings
        ]
        """For each renaming, which literal worker comes to stand first, second, …"""
        self._workers = len(names)
        self._exact = scope.granularity is Granularity.STATEMENT
        self._columns = columns
        self._times, self._ids, self._records = layout.times, dict(layout.ids), dict(layout.records)
        self._settings = scope.settings
        self._ranked = scope.settings.jitter_seed is None and not scope.settings.external
        self._are_times = {
            table: [column in layout.times for column in names] for table, names in columns.items()
        }
        self._known: dict[tuple[Any, ...], tuple[Snapshot, tuple[bytes, Renaming]]] = {}
        self._parts: dict[tuple[Any, ...], tuple[Any, tuple[bytes, ...]]] = {}

    def of(self, there: Snapshot) -> tuple[bytes, Renaming]:
        """The digest of a state without what is spent, and the renaming of workers that gave it."""
        if len(self._parts) + len(self._known) > _REMEMBERED_MAX:
            self._parts.clear()
            self._known.clear()
        state = there.state
        key = (
            id(there.content),
            there.now,
            *[id(standing) for standing in there.standings],
            None if state is None else (state.workers, state.changed_at),
            there.accepted,
            there.events,
            there.faults,
            there.load,
            repr(there.beyond),
        )
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = there, self._of(there)
        return known[1]

    def _of(self, there: Snapshot) -> tuple[bytes, Renaming]:
        contents = self._content(there.content, there.now)
        standings = [self._standing(standing, there) for standing in there.standings]
        rest = repr(self._rest(there)).encode()
        helpers = standings[self._workers :]
        wholes = []
        for number, places in enumerate(self._places):
            parts = [contents[number]]
            for place in places:
                parts.append(standings[place][number])
                if there.state is not None:
                    worker = there.state.workers[place]
                    parts.append(f"{worker.phase}{worker.execution}".encode())
            parts += [helper[number] for helper in helpers]
            wholes.append(b"|".join(parts))
        chosen = min(range(len(wholes)), key=wholes.__getitem__)
        digest = _digest(wholes[chosen] + rest)
        return contents[chosen][:HOME_BYTES] + digest, self.renamings[chosen]

    def with_spent(self, base: bytes, spent: Spent) -> bytes:
        """The digest with what is spent."""
        return base[:HOME_BYTES] + _digest(base + bytes(spent))

    def _rest(self, there: Snapshot) -> tuple[object, ...]:
        known: tuple[object, ...] = ("parted",)
        if there.state is not None:
            since = there.state.changed_at - there.now if self._exact else 0
            known = ("in step", since)
        faults = tuple([(fault.kind, fault.job, fault.execution or 0) for fault in there.faults])
        told = tuple(sorted([(event.event, event.operation, event.job) for event in there.events]))
        load = there.load.left(there.now, self._settings)
        failed_ago = None if load.failed_at is None else there.now - load.failed_at
        lately = [there.now - at for at in load.retries], load.failures, failed_ago
        beyond = (there.beyond,) if there.beyond else ()
        return (*known, lately, there.accepted, tuple(sorted(faults)), told, *beyond)

    def _content(self, content: Content, now: int) -> tuple[bytes, ...]:
        key = (id(content), now)
        known = self._parts.get(key)
        if known is None:
            ranks = self._ranks(content)
            home = self._home(content, now)
            told = [repr(self._tables(content, now, ranks, names)) for names in self.renamings]
            parts = [home + _digest(text.encode()) for text in told]
            known = self._parts[key] = content, tuple(parts)
        return known[1]

    def _ranks(self, content: Content) -> "Ranks":
        return _ranks(content) if self._ranked else {}

    def _home(self, content: Content, now: int) -> bytes:
        times = []
        for table, rows in content:
            are_times = self._are_times.get(table, ())
            times += [[value and value - now for value in compress(row, are_times)] for row in rows]
        return _digest(repr(times).encode())[:HOME_BYTES]

    def _tables(self, content: Content, now: int, ranks: "Ranks", names: Renaming) -> object:
        return [
            [self._row(self._columns.get(table, ()), row, now, ranks, names, table) for row in rows]
            for table, rows in content
        ]

    def _standing(self, standing: Standing, there: Snapshot) -> tuple[bytes, ...]:
        if standing.at_rest:
            return _AT_REST * len(self.renamings)
        ranks = self._ranks(there.content)
        key = (id(standing), there.now, id(there.content) if ranks else None)
        known = self._parts.get(key)
        if known is None:
            parts = []
            for names in self.renamings:
                log = [self._entry(entry, there.now, ranks, names) for entry in standing.log]
                pending = _intent(standing.pending) if standing.pending else None
                looks = [sorted(look) for look in standing.looks]
                where = (
                    standing.at.name,
                    standing.waits,
                    standing.in_transaction,
                    standing.job_in_hand,
                    *((standing.under_way, looks) if standing.under_way or looks else ()),
                )
                parts.append(_digest(repr((where, pending, log)).encode()))
            known = self._parts[key] = (standing, there.content), tuple(parts)
        return known[1]

    def _entry(self, entry: Entry, now: int, ranks: "Ranks", names: Renaming) -> object:
        if isinstance(entry, int):
            return entry - now
        if isinstance(entry, Returned):
            return entry.operation, self._value(entry.value, now, ranks, names)
        if not isinstance(entry, Ran):
            return _intent(entry)
        table = table_of(entry.sql) or ""
        rows = [self._row(entry.columns, row, now, ranks, names, table) for row in entry.rows]
        return rows, _rank(ranks, table, entry.lastrowid), entry.error

    def _value(self, value: Any, now: int, ranks: "Ranks", names: Renaming) -> object:
        """An answer: a record is as the row that it was read from."""
        if not has(type(value)):
            return value
        record = asdict(value, recurse=False)
        table = self._records.get(type(value).__name__, "")
        parts = [self._value(part, now, ranks, names) for part in record.values()]
        return self._row(tuple(record), tuple(parts), now, ranks, names, table)

    def _row(
        self,
        columns: tuple[str, ...],
        row: tuple[Any, ...],
        now: int,
        ranks: "Ranks",
        names: Renaming,
        table: str = "",
    ) -> tuple[object, ...]:
        """A row with times counted from now, ids by rank, and workers renamed."""
        found: list[object] = []
        for column, value in zip(columns or ("",) * len(row), row, strict=True):
            if column in self._times:
                found.append(None if value is None else value - now)
            elif column == "id" or column in self._ids:
                found.append(_rank(ranks, self._ids.get(column, table), value))
            else:
                found.append(names.get(value, value) if isinstance(value, str) else value)
        return tuple(found)


Ranks = dict[str, dict[int, int]]
_AT_REST = (b"at rest",)


def _ranks(content: Content) -> Ranks:
    """For each table the ids that are not their own rank. SQLite leaves no gaps where nothing is deleted."""
    found = {}
    for table, rows in content:
        moved = {row[0]: rank for rank, row in enumerate(rows, start=1) if row[0] != rank}
        if moved and isinstance(rows[0][0], int):
            found[table] = moved
    return found


def _rank(ranks: Ranks, table: str, row_id: int | None) -> int | None:
    return None if row_id is None else ranks.get(table, {}).get(row_id, row_id)


def _intent(intent: Intent) -> str:
    return f"Enqueue {intent.key}" if isinstance(intent, Enqueue) else type(intent).__name__


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=DIGEST_BYTES - HOME_BYTES).digest()
