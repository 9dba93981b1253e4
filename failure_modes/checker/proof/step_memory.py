"""What a proof remembers of the steps that it has seen: a step is not run again where it reads the same rows.

A remembered step changes the same rows in another content. Only the *system* is remembered: the model takes
its own step in each state, and the whole of the rows is compared and judged as after a real step.
"""

from collections.abc import Hashable

from attrs import field, frozen

from failure_modes.checker.proof.seen_step import EVERY, Changes, Read, Reads, SeenStep
from failure_modes.checker.proof.step_reads import row_changes
from failure_modes.checker.simulation.content import LAST_IDS, Content
from failure_modes.checker.simulation.stepping import Row

STEPS_MAX = 100_000
"""Steps that are remembered. When there are more, all are forgotten."""

Key = tuple[Hashable, ...]


@frozen(eq=False)
class _Question:
    """What some steps depend on; and these steps by the rows that they read."""

    reads: Reads
    """Of equal sets the one object in `_same_reads`: so it has one order, and is found by its identity."""
    read_clock: bool
    steps: dict[Hashable, SeenStep] = field(factory=dict)


@frozen(eq=False)
class _ReadContent:
    """A content, its rows by table, and what was read in it: the rows of each read, as a number."""

    content: Content
    tables: dict[str, tuple[Row, ...]]
    numbers: dict[Read, int] = field(factory=dict)
    answers: dict[Reads, tuple[int, ...]] = field(factory=dict)
    """The numbers of all reads of a question."""


class StepMemory:
    """The steps that were seen."""

    def __init__(self, columns: dict[str, tuple[str, ...]]) -> None:
        """`columns` are those of each table of a content."""
        self._columns = columns | {LAST_IDS: ("name", "seq")}
        self._questions: dict[Key, dict[tuple[Reads, bool], _Question]] = {}
        self._held: list[object] = []
        """What the keys identify by `id`: it must not be collected."""
        self._rows: dict[int, _ReadContent] = {}
        self._same_reads: dict[Reads, Reads] = {}
        self._numbers: dict[tuple[Row, ...], int] = {}
        """Equal rows have one number."""
        self._steps = 0

    def add(self, key: Key, holds: object, seen: SeenStep, content: Content, now: int) -> None:
        """Remember a step that was taken in that content at that time. `holds`: what the key identifies."""
        if self._steps >= STEPS_MAX:
            self._questions.clear()
            self._held.clear()
            self._steps = 0
        of_key = self._questions.setdefault(key, {})
        self._held.append(holds)
        asked = (seen.reads, seen.read_clock)
        question = of_key.get(asked)
        if question is None:
            reads = self._same_reads.setdefault(seen.reads, seen.reads)
            question = of_key[asked] = _Question(reads, seen.read_clock)
        question.steps[self._answer(question, content, now)] = seen
        self._steps += 1

    def find(self, key: Key, content: Content, now: int) -> SeenStep | None:
        """The step that has this key and reads the same rows; None if there is none."""
        for question in self._questions.get(key, {}).values():
            seen = question.steps.get(self._answer(question, content, now))
            if seen is not None:
                return seen
        return None

    def _answer(self, question: _Question, content: Content, now: int) -> Hashable:
        known = self._rows.get(id(content))
        if known is None:
            if len(self._rows) > STEPS_MAX:
                self._rows.clear()
            known = self._rows[id(content)] = _ReadContent(content, dict(content))
        numbers = known.answers.get(question.reads)
        if numbers is None:
            numbers = tuple([self._number(read, known) for read in question.reads])
            known.answers[question.reads] = numbers
        return (now, numbers) if question.read_clock else numbers

    def _number(self, read: Read, known: _ReadContent) -> int:
        """The number of the rows of a read."""
        number = known.numbers.get(read)
        if number is None:
            rows = self._read(read, known.tables)
            number = known.numbers[read] = self._numbers.setdefault(rows, len(self._numbers))
        return number

    def _read(self, read: Read, tables: dict[str, tuple[Row, ...]]) -> tuple[Row, ...]:
        """The rows of the tables that the read names."""
        table, column, value = read
        rows = tables.get(table, ())
        if column is None:
            return rows
        place = self._columns[table].index(column)
        if value == EVERY:
            return tuple([(row[place],) for row in rows])
        if isinstance(value, frozenset):
            return tuple([row for row in rows if row[place] in value])
        return tuple([row for row in rows if row[place] == value])


def with_changes(content: Content, changes: Changes) -> Content:
    """The content with these rows changed."""
    tables = list(content)
    for place, rows in changes:
        table, old = tables[place]
        kept = {row[0]: row for row in old}
        for row_id, (_, new) in rows.items():
            if new is None:
                del kept[row_id]
            else:
                kept[row_id] = new
        tables[place] = table, tuple([kept[row_id] for row_id in sorted(kept)])
    return tuple(tables)


def changes_between(before: Content, after: Content) -> Changes:
    """The rows that differ, by the place of their table."""
    if before is after:
        return ()
    found = []
    for place, ((_, old), (_, new)) in enumerate(zip(before, after, strict=True)):
        if rows := row_changes(old, new):
            found.append((place, rows))
    return tuple(found)
