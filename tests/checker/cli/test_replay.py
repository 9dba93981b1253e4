"""The command `replay`: kept traces run again, as they are and changed."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.traces.database import all_kept
from tests.checker.commands import ROOT, invoke

MODE = failure_mode("FM_001")
KEPT = [path for path, _ in all_kept()]
EACH = pytest.mark.parametrize("path", KEPT, ids=[path.stem for path in KEPT])


@EACH
@pytest.mark.parametrize("options", [(), ("--guarded",)], ids=["broken", "guarded"])
def test_a_kept_trace_replays_as_expected(path: Path, options: tuple[str, ...]) -> None:
    """Broken it breaks and guarded it holds; both are as expected, and the last line runs it again."""
    result = invoke("replay", str(path), *options)
    assert (result.exit_code, result.stderr) == (EXIT.AS_EXPECTED, "")
    shown = path.relative_to(ROOT) if path.is_relative_to(Path.cwd()) else path
    assert result.stdout.splitlines()[-1] == " ".join(
        [f" replay: python -m failure_modes replay {shown}", *options]
    )


def edited(path: Path, tmp_path: Path, **changes: Any) -> Path:
    """A copy of a kept trace, with some keys changed."""
    file = tmp_path / path.name
    shutil.copy(path, file)
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    return file


@EACH
@pytest.mark.parametrize(
    "breaks", [{"invariant": "INV_001", "step": 1}, {"invariant": "INV_002", "step": None}]
)
def test_a_trace_that_breaks_something_else_is_not_as_expected(
    path: Path, tmp_path: Path, breaks: dict[str, Any]
) -> None:
    """Another step or invariant than the file says has its exit code, and the output says what was due."""
    result = invoke("replay", str(edited(path, tmp_path, breaks=breaks)))
    head, *_, last = result.stdout.splitlines()
    only_diverges = f" diverges from the model, and does not break {breaks['invariant']} " in head
    assert result.exit_code == (EXIT.DIVERGED if only_diverges else EXIT.NOT_AS_EXPECTED)
    where = f"step {breaks['step']}" if breaks["step"] else "the end"
    assert last == (
        f" not as expected: the trace should break {breaks['invariant']} at {where}"
        f"{'; it only diverges from the model' * only_diverges}"
    )


def test_an_action_that_could_not_happen_is_not_as_expected(tmp_path: Path) -> None:
    """A trace with a step too many still breaks, but is not the run that it says it is."""
    trace = json.loads(KEPT[0].read_text())
    impossible = {"action": "Fail", "worker": "A"}
    breaks = trace["breaks"]
    file = edited(KEPT[0], tmp_path, actions=[impossible, *trace["actions"]])
    result = invoke("replay", str(file))
    assert result.exit_code == EXIT.NOT_AS_EXPECTED
    assert result.stdout.splitlines()[-1] == (
        f" not as expected: the trace should break {breaks['invariant']} at step {breaks['step']}"
        "; 1 actions were impossible"
    )


# prevent, explore
