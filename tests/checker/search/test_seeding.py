"""What a search draws depends on its seed, and on nothing that happens to be imported."""

import importlib
import sys
from pathlib import Path

import pytest

from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.search.search import Search, run
from failure_modes.checker.search.statistics import SearchStatistics


def _met() -> SearchStatistics:
    strategy = Strategy(weights=(("Step", 50), ("Enqueue", 70), ("Tick", 70)), steps=3)
    search = Search(
        scope=Scope(constraints=False), strategy=strategy, fault=guarded, target=None, seed=1, examples=150
    )
    return run(search, driver="hypothesis").statistics


def test_a_module_more_changes_no_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis would draw the constants of a module that is imported; the searches here do not let it."""
    before = _met()
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "full_of_numbers.py").write_text(f"NUMBERS = {[*range(101, 230)]}\n")
    try:
        importlib.import_module("full_of_numbers")
        after = _met()
    finally:
        sys.modules.pop("full_of_numbers", None)
    assert (after.sometimes, after.actions, after.steps) == (before.sometimes, before.actions, before.steps)
