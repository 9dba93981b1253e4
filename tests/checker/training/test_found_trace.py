"""The trace of a learner's version is shown as wide as the terminal, and kept as plain text."""

import re
from typing import Any, cast

import pytest
from attrs import evolve

from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.report.table import Look
from failure_modes.checker.search import plans
from failure_modes.checker.training import found_trace as training
from failure_modes.checker.training.found_trace import FoundTrace, found_trace
from failure_modes.checker.training.happy_path import not_done
from failure_modes.checker.training.how_to import how_to
from system.queue import Queue

WIDTH = 60


def _found() -> FoundTrace:
    mode = failure_mode("FM_014")
    result = plans.find(mode)
    assert result.finding is not None
    return found_trace("a kata", mode.scope, mode.fault, result.finding, result.actions)


def test_the_trace_fits_the_terminal_and_has_its_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text for a program stays plain, and has no limit of width."""
    plain = _found()
    assert plain.shown == plain.text, "no terminal: the same"
    monkeypatch.setattr(training, "look_of", lambda _: Look(width=WIDTH, color=True))
    narrow = _found()
    assert narrow.text == plain.text
    lines = re.sub(r"\x1b\[\d+m", "", narrow.shown).splitlines()
    assert "\x1b[31m" in narrow.shown
    assert max(len(line) for line in lines) <= WIDTH < max(len(line) for line in plain.text.splitlines())


class _NoLease:
    """A policy that leases nothing, so that no job is done."""

    def lease(self, *_: object, **__: object) -> None:
        """Lease nothing."""


def _without_leases(queue: Queue) -> Queue:
    policies = evolve(queue.policies, lease=cast(Any, _NoLease()))
    return Queue(store=queue.store, policies=policies, lease_seconds=queue.lease_seconds)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_happy_path_fits_the_terminal_too(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run in which the job is not done is a table like the others."""
    monkeypatch.setattr(training, "look_of", lambda _: Look(width=width, color=False))
    undone = not_done(Scope(), _without_leases)
    assert undone is not None
    assert max(len(line) for line in undone.shown.splitlines()) <= width
    assert "lease" not in undone.text
    assert undone.text.splitlines()[0].split() == [
        *("step", "time", "action", "worker", "model", "system", "changed")
    ]


def test_the_page_of_the_katas_says_what_a_failed_session_of_nox_means() -> None:
    """A learner whose version still breaks sees that nox calls its session failed."""
    text = " ".join(how_to("nox -s train -- ACTION").split())
    assert "In a session of nox the last lines may say that the command or the session failed." in text
    assert "That only means that your version still breaks" in text
