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

    reads: tuple[int, ...]
    """The reads that the result depends on, by their numbers; of equal tuples the one object."""
    read_clock: bool
    steps: dict[Hashable, SeenStep] = field(factory=dict)


@frozen(eq=False)
class _ReadContent:
    """A content, its rows by table, and what was read in it: the rows of each read, as a number."""

    content: Content
    tables: dict[str, tuple[Row, ...]]
    numbers: dict[int, int] = field(factory=dict)
    """The number of the rows of each read."""
    answers: dict[int, tuple[int, ...]] = field(factory=dict)
    """The numbers of the rows of all reads of a question, by the `id` of these reads."""


class StepMemory:
    """The steps that were seen."""

    def __init__(self, columns: dict[str, tuple[str, ...]]) -> None:
        """`columns` are those of each table of a content."""
        self._columns = columns | {LAST_IDS: ("name", "seq")}
        self._questions: dict[Key, dict[tuple[Reads, bool], _Question]] = {}
        self._held: list[object] = []
        """What the keys identify by `id`: it must not be collected."""
        self._contents: dict[int, _ReadContent] = {}
        self._sets: dict[Reads, tuple[int, ...]] = {}
        """The numbers of the reads of each set."""
        self._reads: list[Read] = []
        """Each read that a step depended on; its place is its number."""
        self._places: dict[Read, int] = {}
        self._rows: dict[tuple[Row, ...], int] = {}
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
            question = of_key[asked] = _Question(self._reads_of(seen.reads), seen.read_clock)
        question.steps[self._answer(question, self._known(content), now)] = seen
        self._steps += 1

    def find(self, key: Key, content: Content, now: int) -> SeenStep | None:
        """The step that has this key and reads the same rows; None if there is none."""
        questions = self._questions.get(key)
        if questions is not None:
            known = self._known(content)
            for question in questions.values():
                seen = question.steps.get(self._answer(question, known, now))
                if seen is not None:
                    return seen
        return None

    def _reads_of(self, reads: Reads) -> tuple[int, ...]:
        """The numbers of the reads. Equal sets have one tuple, which is kept."""
        known = self._sets.get(reads)
        if known is None:
            for read in reads - self._places.keys():
                self._places[read] = len(self._reads)
                self._reads.append(read)
            known = self._sets[reads] = tuple([self._places[read] for read in reads])
        return known

    def _known(self, content: Content) -> _ReadContent:
        """The content, with what was read in it."""
        known = self._contents.get(id(content))
        if known is None:
            if len(self._contents) > STEPS_MAX:
                self._contents.clear()
            known = self._contents[id(content)] = _ReadContent(content, dict(content))
        return known

    def _answer(self, question: _Question, known: _ReadContent, now: int) -> Hashable:
        """What the content answers to the question: the numbers of the rows of each of its reads."""
        reads, numbers = question.reads, known.numbers
        answer = known.answers.get(id(reads))
        if answer is None:
            for read in reads:
                if read not in numbers:
                    numbers[read] = self._number(read, known)
            answer = known.answers[id(reads)] = tuple([numbers[read] for read in reads])
        return (now, answer) if question.read_clock else answer

    def _number(self, number: int, known: _ReadContent) -> int:
        """The number of the rows of a read."""
        rows = self._read(self._reads[number], known.tables)
        return self._rows.setdefault(rows, len(self._rows))

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
