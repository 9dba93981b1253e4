"""The bench: its document says what its values say, no queue is compared that is less durable."""

import json
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from subprocess import Popen
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import tests.bench.__main__ as bench
from tests.bench import checker, commands, job_costs, machine, versions
from tests.bench.contender import SQLITE_DURABLE, sqlite_durability
from tests.bench.document import DOCUMENT, MEASURED, document
from tests.bench.ours import OnSQLite
from tests.bench.parts import OF_TWO_VERSIONS, PARTS
from tests.bench.places import Places
from tests.bench.report_commands import profiles, two_versions, whole_commands
from tests.bench.whole_command import ROOT, run_python

VALUES = json.loads(MEASURED.read_text("utf-8"))


def test_the_document_has_the_values() -> None:
    """`python -m tests.bench --write` would write the same document from the same values."""
    assert DOCUMENT.read_text("utf-8") == document(VALUES)


@pytest.mark.parametrize("part", [part for part in PARTS if part != OF_TWO_VERSIONS])
def test_each_part_was_measured(part: str) -> None:
    """Without the values of a part its section is left out."""
    assert VALUES[part]["machine"]
    rest = {name: of for name, of in VALUES.items() if name != part}
    assert len(document(rest)) < len(DOCUMENT.read_text("utf-8"))


def test_a_queue_that_does_not_wait_for_the_disk_is_seen(tmp_path: Path) -> None:
    """Our store has the settings that the bench asks for; a connection with less has others."""
    target = str(tmp_path / "queue.db")
    contender = OnSQLite()
    contender.create(target)
    assert contender.durability(target) == SQLITE_DURABLE
    with closing(sqlite3.connect(target)) as connection:
        connection.execute("PRAGMA synchronous = NORMAL")
        assert sqlite_durability(connection) != SQLITE_DURABLE


def test_a_machine_is_busy_while_another_process_works() -> None:
    """The work of others is counted, not the load of the last minute, to which the bench itself belongs."""
    if not machine.CPU_TIMES.exists():
        pytest.skip("this system does not count the work of its cores")
    with Popen([sys.executable, "-c", "while True: pass"]) as other:
        busy = machine.cores_at_work(0.5)
        other.kill()
    assert busy > machine.BUSY_CORES


def test_the_work_of_the_cores_is_read_from_the_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle time and waits for the disk are no work."""
    times = tmp_path / "stat"
    monkeypatch.setattr(machine, "CPU_TIMES", times)
    before = "cpu  100 0 50 9000 70 5 5 0 0 0\ncpu0 1 2 3\n"
    times.write_text(before)
    monkeypatch.setattr(time, "sleep", lambda _: times.write_text(before.replace("9000 70", "9900 99")))
    assert machine.cores_at_work(0) == 0
    monkeypatch.setattr(time, "sleep", lambda _: times.write_text(before.replace("100 0", "300 0")))
    assert machine.cores_at_work(0) > 1


def test_a_driver_that_uses_a_seed_gets_each_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the default: where the explorer finds nothing, `walk` goes on with a seed."""
    asked: list[tuple[str | None, int]] = []

    def find(_: object, seed: int, *, driver: str | None) -> SimpleNamespace:
        asked.append((driver, seed))
        return SimpleNamespace(finding=None)

    monkeypatch.setattr(checker, "find", find)
    assert {one.found for one in checker.searches(2, 0, 1)} == {0}
    drawing = [(driver, seed) for driver in (None, "hypothesis", "walk") for seed in (0, 1)]
    assert sorted(asked, key=str) == sorted([*drawing, ("explore", 0)], key=str)


def test_the_pages_of_peers_are_counted_as_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of each has two commits, ours one more in a drain, and ours writes the most pages."""
    monkeypatch.setattr(job_costs, "JOBS", 20)
    counted = list(job_costs.job_costs(Places(folder=tmp_path, server=None, why_no_server="none")))
    assert [one["database"] for one in counted] == ["SQLite", "SQLite, huey", "SQLite, litequeue"]
    assert [one["commits"] for one in counted] == [2.05, 2.0, 2.0]
    assert max(counted, key=lambda one: float(one["pages"])) is counted[0]


def test_a_whole_command_is_measured_and_one_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without nox its row has the reason."""
    monkeypatch.setattr(commands, "find_spec", lambda _: None)
    measured = list(commands.commands(("list", "no-command", commands.SESSION), times=1))
    assert measured[0]["cpu_seconds"][0] > 0
    assert "no-command" in measured[1]["missing"]
    assert "| `nox -s fm1` | not measured: nox is not installed" in whole_commands(measured)


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["explorer"], ["explorer"]),
        (["explorer", "--against", "."], ["explorer", OF_TWO_VERSIONS]),
        (["checker", "--against", "."], ["checker"]),
        (["--against", "."], list(PARTS)),
    ],
)
def test_another_version_is_measured_where_it_is_asked_for(
    arguments: list[str], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is an option of the explorer's part."""
    for part in PARTS:
        monkeypatch.setitem(PARTS, part, lambda *_: [])
    monkeypatch.setattr(bench, "ON_DATABASES", ())
    monkeypatch.setattr(bench, "observed", dict)
    measured: list[str] = []
    monkeypatch.setattr(bench, "sections", lambda values: measured.extend(values) or ())  # type: ignore[func-returns-value]
    ran = CliRunner().invoke(bench.main, arguments, catch_exceptions=False)
    assert (ran.exit_code, measured) == (0, asked)


def test_two_versions_prove_the_same() -> None:
    """The proof runs in each folder as often as asked, and the tables name each by its last commit."""
    command = ("prove", "--jobs", "1", "--processes", "1", "--json")
    values = versions.versions(ROOT, command, rounds=1)
    assert [(one["states"], len(one["cpu_seconds"])) for one in values] == [(71, 1)] * 2
    assert f"| this version, {versions.described(ROOT)} | 71 |" in two_versions(values)
    assert f"| {versions.described(ROOT)} | 71 |" in two_versions(values)
    assert profiles(values).count(versions.described(ROOT)) == 2


def test_a_sample_counts_for_the_package_that_runs(tmp_path: Path) -> None:
    """The time of a library counts for its caller; a line that runs a statement counts for SQLite."""
    for name, text in _OTHER_VERSION.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    counted = tmp_path / "samples.json"
    run_python("-P", str(versions.SAMPLER), str(counted), str(tmp_path), "2", folder=tmp_path)
    samples = json.loads(counted.read_text())["samples"]
    assert samples["model"] > 5
    assert samples["SQLite"] > 5
    assert sum(samples.values()) < 1.5 * (samples["model"] + samples["SQLite"])


_OTHER_VERSION = {
    "failure_modes/__init__.py": "",
    "failure_modes/__main__.py": """
import sys
from time import process_time
from model.values import sum_of_many
from system.rows import counted
begun = process_time()
while process_time() < begun + 0.1 * int(sys.argv[1]):
    sum_of_many()
    counted()
""",
    "model/__init__.py": "",
    ".venv/library.py": """
def total(numbers):
    sum = 0
    for number in numbers:
        sum += number
    return sum
""",
    "model/values.py": """
import sys
from pathlib import Path
sys.path.append(str(Path(__file__).parents[1] / ".venv"))
from library import total
def sum_of_many():
    total(range(20_000))
""",
    "system/__init__.py": "",
    "system/rows.py": """
import sqlite3
CONNECTION = sqlite3.connect(":memory:")
COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT sum(i) FROM n"
def counted():
    CONNECTION.execute(COUNT)
""",
}
"""A version of two lines. Its command runs for so many tenths of a second."""
