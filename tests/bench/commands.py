"""What whole commands cost, as a user starts them: the start of Python and all imports are part of it."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from tests.bench.output import progress
from tests.bench.whole_command import Failed, run_python

TRACE = "failure_modes/FM_001_duplicate_retry/traces/both_commit_after_the_lease_ran_out.json"
COMMANDS = ("--help", "list", f"replay {TRACE}", "find FM_001", "run FM_001")
"""Of `python -m failure_modes`."""
SESSION = "nox -s fm1"
"""`run FM_001` in an environment that nox has installed before."""
TIMES = 5


def commands(names: tuple[str, ...] = (*COMMANDS, SESSION), times: int = TIMES) -> Iterator[dict[str, Any]]:
    """Run each so many times. A session of nox runs once more before, so that its environment is there."""
    for name in names:
        progress(f"commands: {name}")
        words = ("-m", *name.split()) if name == SESSION else ("-m", "failure_modes", *name.split())
        try:
            if name == SESSION:
                if find_spec("nox") is None:
                    raise Failed("nox is not installed beside the bench")
                run_python(*words)
            ran = [run_python(*words) for _ in range(times)]
        except Failed as failed:
            yield {"command": name, "missing": str(failed)}
            continue
        yield {
            "command": name,
            "seconds": [one.seconds for one in ran],
            "cpu_seconds": [one.cpu_seconds for one in ran],
        }
