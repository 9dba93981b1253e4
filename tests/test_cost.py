"""The table of what a proof costs: the document has what was measured, and the command measures."""

import json
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner

from failure_modes.checker.proof.proving import prove
from failure_modes.checker.proof.result import ProofResult
from tests.cost import __main__ as command
from tests.cost.document import DOCUMENT, MEASURED, cost_table, document

VALUES = json.loads(MEASURED.read_text("utf-8"))


def test_the_document_has_the_values() -> None:
    """`python -m tests.cost --write` would write the same document from the same values."""
    text = DOCUMENT.read_text("utf-8")
    assert document(text, VALUES) == text
    assert document(text, VALUES | {"machine": "another"}) != text


def test_a_proof_that_was_stopped_is_not_complete() -> None:
    """The last column names the limit that stopped it."""
    stopped = {**VALUES["proofs"][0], "complete": False}
    assert cost_table({"proofs": [stopped], "seconds_max": 600.0}).endswith("| not complete in 600 s |")


def test_the_command_proves_each_scope() -> None:
    """One row for each number of crashes; the states are those of the document."""
    options = ["--jobs", "1", "--workers", "1", "--crashes", "1", "--processes", "1"]
    ran = CliRunner().invoke(command.main, options)
    assert ran.exit_code == 0
    rows = [line.split(" | ")[:6] for line in ran.stdout.splitlines()[2:]]
    kept = cost_table(VALUES).splitlines()[2:]
    assert rows == [line.split(" | ")[:6] for line in kept[:2]]


def test_an_interrupted_measurement_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table with missing rows does not take the place of a whole one."""

    def interrupted(*arguments: Any, **named: Any) -> ProofResult:
        return evolve(prove(*arguments, **named), complete=False, bound="interrupted")

    monkeypatch.setattr(command, "prove", interrupted)
    before = MEASURED.read_text("utf-8")
    options = ["--jobs", "1", "--workers", "1", "--crashes", "0", "--processes", "1", "--write"]
    ran = CliRunner().invoke(command.main, options)
    assert ran.exit_code == 1
    assert MEASURED.read_text("utf-8") == before
