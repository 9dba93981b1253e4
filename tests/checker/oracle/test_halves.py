"""Each half of each oracle sees a breakage that nothing else in the checker sees."""

import re

import pytest

from tests.checker.oracle.fault_classes import FAULT_CLASSES
from tests.checker.oracle.halves import EVENT_FIELDS, EVENTS, Half
from tests.checker.oracle.halves_document import DOCUMENT, ELSEWHERE, HALVES, ROOT, text
from tests.checker.oracle.halves_of_statuses import OF_JOB, STATUSES

NAMED = tuple(
    dict.fromkeys([*ELSEWHERE.values(), *[test for one in FAULT_CLASSES for test in (one.found, one.alone)]])
)
"""Each test that the document names."""

EACH = pytest.mark.parametrize("half", HALVES, ids=lambda half: half.name)


@EACH
def test_a_half_sees_its_breakage(half: Half, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole checker finds the breakage, and says what is wrong."""
    half.plant(monkeypatch)
    finding = half.found()
    assert finding is not None
    assert half.sees in finding.expected + finding.got


@EACH
def test_without_the_half_nothing_sees_it(half: Half, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the half taken out, the same schedule finds nothing."""
    half.blind(monkeypatch)
    half.plant(monkeypatch)
    assert half.found() is None


def test_each_column_of_an_audit_row_is_a_half() -> None:
    """A new column needs a breakage. INV_003 judges `after`, so this half never sees it alone."""
    assert {half.half for half in EVENTS} == {*EVENT_FIELDS, "their number"} - {"after"}


def test_each_part_of_a_status_is_a_half() -> None:
    """A new part needs a breakage."""
    assert {half.half for half in STATUSES} == {*OF_JOB, "given_up"}


def test_the_document_lists_each_half() -> None:
    """The table is what `python -m tests.checker.oracle.halves_document` writes."""
    assert DOCUMENT.read_text(encoding="utf-8") == text()


def test_each_class_of_faults_has_a_breakage() -> None:
    """There are seventeen, and each was measured."""
    assert [one.number for one in FAULT_CLASSES] == list(range(1, 18))
    assert all(one.seconds > 0 for one in FAULT_CLASSES)


@pytest.mark.parametrize("named", NAMED)
def test_each_test_that_the_document_names_is_there(named: str) -> None:
    """A test that is renamed or removed is renamed or removed in the document, too."""
    file, test = named.split("::")
    assert re.search(rf"^def {test}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
