"""What the tests of the checker share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from failure_modes.checker.cli.saving import PLACE
from failure_modes.checker.experiment import catalogue
from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.report import progress


@pytest.fixture(autouse=True)
def _without_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine prints no more than a fast one."""
    monkeypatch.setattr(progress, "PLAIN_EVERY_SECONDS", float("inf"))


@pytest.fixture(autouse=True, scope="session")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is found in a test is not saved in the checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PLACE, str(tmp_path_factory.mktemp("place")))
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the first failure mode, somewhere else and with nothing kept in it."""
    first = catalogue.catalogue()[0]
    elsewhere = tmp_path / first.folder.name
    elsewhere.mkdir()
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    assert failure_mode(first.id).folder == elsewhere
    return elsewhere
