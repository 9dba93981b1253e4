"""The words of the audit: the system and the model, which know nothing of each other, spell them alike."""

import re
from enum import StrEnum

import pytest

import model.events
import model.state
import system.audit
import system.records
from system.postgresql import schema as postgresql
from system.schema import EVENTS
from system.sqlite import schema as sqlite

PAIRS: list[tuple[type[StrEnum], type[StrEnum]]] = [
    (model.events.Operation, system.audit.Operation),
    (model.events.EventKind, system.audit.EventKind),
    (model.events.Reason, system.audit.Reason),
    (model.state.Status, system.records.Status),
    (model.state.JobState, system.records.JobState),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_the_words_of_the_model_are_those_of_the_system(ours: type[StrEnum], theirs: type[StrEnum]) -> None:
    """The same names, with the same text, in the same order."""
    assert [(word.name, word.value) for word in ours] == [(word.name, word.value) for word in theirs]


@pytest.mark.parametrize("statements", [sqlite.SCHEMA, postgresql.SCHEMA], ids=["sqlite", "postgresql"])
def test_a_schema_lists_the_events_of_the_enum(statements: tuple[str, ...]) -> None:
    """The CHECK of the column holds each word once, and the one that only an older version wrote."""
    [rule] = re.findall(r"CHECK \((event .*?'postponed'.*?)\)", " ".join(statements))
    words = [word.value for word in system.audit.EventKind]
    assert re.findall(r"'(.*?)'", rule) == [*words, "postponed"]
    assert (*words, "postponed") == EVENTS
