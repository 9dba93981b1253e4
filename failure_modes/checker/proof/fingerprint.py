"""The fingerprint of a state: a digest of all that the future depends on, and of nothing else.

Two states with one fingerprint are one state to a proof. They have the same futures, because the next step
is a function of

- the store's rows. Times count from now: the system compares times with the clock and with each other, so
  a shift of all of them changes no answer. Ids count by rank: the system only compares them. Where ids are
  used to make jitter, or keys for a gateway, they count as they are;
- for each process, what it has seen since it last was at rest. Its code is deterministic, so this says where
  it is paused and what it will do. At rest it is as if it had just been started. While the model is in step,
  this also says what the model remembers of a worker (its phase and execution, a reply that was lost, a
  heartbeat that has begun), since the model gives the same answers;
- what the model knows besides: the charges of a gateway and, where there are limits, the recent retries and
  failures;
- what the ending is judged by: the accepted keys, the faults that no audit row shows yet, the jobs given up;
  where the store may be set back, the same before each of its last commits. Nothing reads the other audit
  rows: see `content.py`. A worker whose execution a rollback has lost has seen an execution that the rows do
  not have, until it leases another one;
- how much of the bounds is spent.

No proof shows that times and ids are used in no other way. Tests compare the futures of states that meet.

Workers are interchangeable: a state is the same when the workers change places everywhere. Of all such
renamings the smallest digest is the fingerprint (symmetry reduction, after C. Norris Ip and David L. Dill,
"Better verification through symmetry", 1996).
"""

from hashlib import blake2b
from itertools import compress, permutations
from typing import Any

from attrs import asdict, frozen, has

from failure_modes.checker.experiment.bounds import Spent
from failure_modes.checker.experiment.scope import Granularity, Scope
from failure_modes.checker.oracle.lockstep import Snapshot
from failure_modes.checker.oracle.system_side import SystemSnapshot
from failure_modes.checker.proof.ranks import Ranks, rank, ranks_of
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.history import with_earlier_rows
from failure_modes.checker.simulation.process_snapshot import Entry, Intent, ProcessSnapshot, Returned
from failure_modes.checker.simulation.stepping import Row, StatementResult, table_of
from failure_modes.checker.simulation.subject import Layout
from model.actions import Enqueue, LostReply
from model.load import Load

HOME_BYTES = 4
"""A fingerprint begins with a digest of the store's times alone, which most steps leave as they are."""

DIGEST_BYTES = HOME_BYTES + 16
"""Of a hundred million states, two share a digest by chance with a probability of about 1e-23."""

Renaming = dict[str, str]
"""What each worker is called in the fingerprint."""

_REMEMBERED_MAX = 400_000
_NO_LOAD = Load()

SYMMETRIC_MAX = 4
"""The most workers that may change places: the cost of a fingerprint grows with their permutations."""


def renamings(scope: Scope, *, symmetry: bool) -> tuple[Renaming, ...]:
    """All ways in which workers may change places. Without symmetry, only the one that changes nothing."""
    names = scope.names
    first, others = names[:SYMMETRIC_MAX], names[SYMMETRIC_MAX:]
    orders = permutations(first) if symmetry else [first]
    return tuple([dict(zip(names, (*order, *others), strict=True)) for order in orders])


@frozen(eq=False)
class Fingerprint:
    """The fingerprint of a state without what is spent, and all renamings that give it.

    If there are several, some workers may change places, and the state stays as it is.
    """

    base: bytes
    renamings: tuple[Renaming, ...]


class Fingerprints:
    """Takes fingerprints. Keeps the digests of their parts in memory, since most states share most parts."""

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
        """For each renaming, the places of the workers that are first, second, … under it."""
        self._names, self._workers = names, len(names)
        self._helpers_end = len(scope.process_names) - len(scope.thread_names)
        self._of_worker = [[at, at + self._helpers_end][: 1 + scope.threads] for at in range(self._workers)]
        self._exact = scope.granularity is Granularity.STATEMENT
        self._columns = columns
        self._times, self._ids, self._records = layout.times, dict(layout.ids), dict(layout.records)
        self._settings = scope.settings
        self._ranked = scope.settings.jitter_seed is None and not scope.settings.external
        self._are_times = {
            table: [column in layout.times for column in names] for table, names in columns.items()
        }
        self._parts: dict[tuple[Any, ...], tuple[Any, tuple[bytes, ...]]] = {}
        self._rows: dict[tuple[str, Row, int], tuple[str, ...]] = {}
        self._rests: dict[tuple[Any, ...], bytes] = {}

    def of(self, snapshot: Snapshot) -> tuple[bytes, Renaming]:
        """The digest of a state without what is spent, and the renaming of workers that gave it."""
        found = self.taken(snapshot)
        return found.base, found.renamings[0]

    def taken(self, snapshot: Snapshot) -> Fingerprint:
        """The fingerprint of a state without what is spent."""
        if len(self._parts) + len(self._rows) + len(self._rests) > _REMEMBERED_MAX:
            self._parts.clear()
            self._rows.clear()
            self._rests.clear()
        system = snapshot.system
        ranks = self._ranks(system.content)
        contents = self._content(system.content, system.now, ranks)
        processes = [self._process(process, system, ranks) for process in system.processes]
        rest = self._rest_text(snapshot)
        helpers = processes[self._workers : self._helpers_end]
        skews = dict(system.skews)
        texts = []
        for number, places in enumerate(self._places):
            parts = [contents[number]]
            for place in places:
                parts += [processes[at][number] for at in self._of_worker[place]]
                if skews:
                    parts.append(f"{skews.get(self._names[place], 0)}".encode())
                if snapshot.state is not None and (worker := snapshot.state.workers[place]).heartbeat:
                    parts.append(f"{worker.heartbeat}{'?' * worker.heartbeat_lost}".encode())
            parts += [helper[number] for helper in helpers]
            texts.append(b"|".join(parts))
        least = min(texts)
        return Fingerprint(
            contents[0][:HOME_BYTES] + _digest(least + rest),
            tuple([renaming for renaming, text in zip(self.renamings, texts, strict=True) if text == least]),
        )

    def with_spent(self, base: bytes, spent: Spent) -> bytes:
        """The digest with what is spent."""
        return base[:HOME_BYTES] + _digest(base + bytes(spent))

    def _rest_text(self, snapshot: Snapshot) -> bytes:
        ledger, state, now = snapshot.ledger, snapshot.state, snapshot.system.now
        since = state.changed_at - now if state is not None and self._exact else 0
        known_at = 0 if ledger.load == _NO_LOAD else now
        key = (ledger, state is None, since, known_at, snapshot.system.extra)
        known = self._rests.get(key)
        if known is None:
            known = self._rests[key] = repr(self._rest(snapshot)).encode()
        return known

    def _rest(self, snapshot: Snapshot) -> tuple[object, ...]:
        ledger, now = snapshot.ledger, snapshot.system.now
        model: tuple[object, ...] = ("diverged",)
        if snapshot.state is not None:
            since = snapshot.state.changed_at - now if self._exact else 0
            model = ("in step", since)
        faults = tuple(sorted([(fault.kind, fault.job, fault.execution or 0) for fault in ledger.faults]))
        events = tuple(sorted([(event.event, event.operation, event.job) for event in ledger.events]))
        load = ledger.load.still_counted(now, self._settings)
        failed_ago = None if load.failed_at is None else now - load.failed_at
        recent: tuple[object, ...] = ([now - at for at in load.retries], load.failures, failed_ago)
        if load.later is not None:
            recent = (*recent, [now - at for at in load.later])
        extra = (snapshot.system.extra,) if snapshot.system.extra else ()
        earlier = () if ledger.earlier is None else (ledger.earlier,)
        return (*model, recent, ledger.accepted, faults, events, *earlier, *extra)

    def _content(self, content: Content, now: int, ranks: Ranks) -> tuple[bytes, ...]:
        key = (id(content), now)
        known = self._parts.get(key)
        if known is None:
            rows = [
                (table, [self._row_texts(table, row, now, ranks) for row in rows])
                for table, rows in with_earlier_rows(content)
            ]
            home = _digest("|".join([texts[0] for _, found in rows for texts in found]).encode())[:HOME_BYTES]
            parts = []
            for number in range(1, len(self.renamings) + 1):
                tables = [f"{table}:{'|'.join([texts[number] for texts in found])}" for table, found in rows]
                parts.append(home + _digest("||".join(tables).encode()))
            known = self._parts[key] = content, tuple(parts)
        return known[1]

    def _row_texts(self, table: str, row: Row, now: int, ranks: Ranks) -> tuple[str, ...]:
        """The times of a row as text, then the row under each renaming. Most contents share most rows."""
        key = (table, row, now)
        known = None if ranks else self._rows.get(key)
        if known is None:
            at = compress(row, self._are_times.get(table, ()))
            times = [None if value is None else value - now for value in at]
            columns = self._columns.get(table, ())
            rows = [repr(self._row(columns, row, now, ranks, names, table)) for names in self.renamings]
            known = (repr(times), *rows)
            if not ranks:
                self._rows[key] = known
        return known

    def _ranks(self, content: Content) -> Ranks:
        return ranks_of(content) if self._ranked else {}

    def _process(self, process: ProcessSnapshot, system: SystemSnapshot, ranks: Ranks) -> tuple[bytes, ...]:
        if process.at_rest:
            return _AT_REST * len(self.renamings)
        key = (id(process), system.now, id(system.content) if ranks else None)
        known = self._parts.get(key)
        if known is None:
            parts = []
            for names in self.renamings:
                log = [self._entry(entry, system.now, ranks, names) for entry in process.log]
                pending = _intent(process.pending) if process.pending else None
                visible = [sorted(rows) for rows in process.visible]
                at_server = (process.place_at_server, visible) if process.place_at_server or visible else ()
                parts.append(_digest(repr((process.waits, *at_server, pending, log)).encode()))
            known = self._parts[key] = (process, system.content), tuple(parts)
        return known[1]

    def _entry(self, entry: Entry, now: int, ranks: Ranks, names: Renaming) -> object:
        if isinstance(entry, int):
            return entry - now
        if isinstance(entry, Returned):
            return entry.operation, self._value(entry.value, now, ranks, names)
        if not isinstance(entry, StatementResult):
            return _intent(entry)
        table = table_of(entry.sql) or ""
        rows = [self._row(entry.columns, row, now, ranks, names, table) for row in entry.rows]
        read = [entry.read_at - now] if entry.read_at is not None else []
        return rows, rank(ranks, table, entry.lastrowid), entry.error, *read

    def _value(self, value: Any, now: int, ranks: Ranks, names: Renaming) -> object:
        """An answer of the queue. A record counts as the row that it was read from."""
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
        ranks: Ranks,
        names: Renaming,
        table: str,
    ) -> tuple[object, ...]:
        """A row with times counted from now, ids by rank, and workers renamed."""
        found: list[object] = []
        for column, value in zip(columns or ("",) * len(row), row, strict=True):
            if column in self._times:
                found.append(None if value is None else value - now)
            elif column == "id" or column in self._ids:
                found.append(rank(ranks, self._ids.get(column, table), value))
            else:
                found.append(names.get(value, value) if isinstance(value, str) else value)
        return tuple(found)


_AT_REST = (b"at rest",)


def _intent(intent: Intent) -> str:
    if isinstance(intent, Enqueue):
        return f"Enqueue {intent.key}"  # in a proof the key says whether it is poison
    if isinstance(intent, LostReply):
        return f"LostReply {intent.of} {intent.key}"
    return type(intent).__name__


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=DIGEST_BYTES - HOME_BYTES).digest()
