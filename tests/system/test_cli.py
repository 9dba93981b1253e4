"""The command line: what it does and prints when all is well."""

import json
from contextlib import closing

import click
import pytest

from system.cli import main
from system.clock import ManualClock, utc
from system.queue import Queue
from system.store import Store
from tests.system.commands import call, fine, refused
from tests.system.databases import Database, effects
from tests.system.test_queue import leased

pytestmark = pytest.mark.usefixtures("folder")


def test_a_job_from_enqueue_to_its_history(database: Database) -> None:
    """The commands of the help's example do what it says: enqueue, work, look."""
    assert fine("enqueue", '{"amount": 5}', "--key", "order-1") == "1\n"
    fine("work", "handlers:echo", "--drain", "--name", "A")
    assert fine("status").splitlines()[2].split() == ["SUCCEEDED", "1"]
    lines = [line.split()[2:] for line in fine("audit", "1").splitlines()]
    assert lines == [
        ["producer", "enqueue", "enqueued", "-", "-"],
        ["A", "lease", "leased", "exec-1", "new", "->", "LEASED"],
        ["A", "start", "started", "exec-1", "LEASED", "->", "IN_PROGRESS"],
        ["A", "commit", "committed", "exec-1", "IN_PROGRESS", "->", "COMMITTED"],
        ["A", "finish", "finished", "exec-1", "COMMITTED", "->", "DONE"],
    ]
    assert effects(database) == [(1, '{"amount":5}')]


def test_an_idempotent_repeat_says_so() -> None:
    """The id of the job that exists is printed, and on stderr that it existed, and whether it is the same."""
    assert call("enqueue", '{"a": 1}', "--key", "k").stderr == ""
    again, other = call("enqueue", '{"a":1}', "--key", "k"), call("enqueue", "2", "--key", "k")
    assert (again.exit_code, again.stdout, other.exit_code, other.stdout) == (0, "1\n", 0, "1\n")
    assert again.stderr == "job 1 existed already under this key, with the same payload\n"
    assert other.stderr == "job 1 existed already under this key, with another payload\n"


def test_a_payload_may_come_from_stdin() -> None:
    """`-` reads UTF-8 from stdin, and a payload that begins with a minus comes after `--`."""
    assert fine("enqueue", "-", stdin='["\u00e9"]') == "1\n"
    assert fine("enqueue", "--", "-5") == "2\n"


def test_attempts_are_the_jobs_budget(opened: Store) -> None:
    """A job enqueued with one attempt is FAILED after its first failure."""
    fine("enqueue", "1", "--attempts", "1")
    fine("work", "handlers:fail", "--once")
    assert opened.counts().failed == 1
    last = fine("audit", "1").splitlines()[-1]
    assert last.endswith("attempts_spent")


def test_status_counts_what_there_is(opened: Store) -> None:
    """The JSON has each count and the age of the oldest job that waits; the text has the same counts."""
    queue = Queue(store=opened)
    for number in range(1001):
        queue.enqueue(number, key=str(number % 1000))
    shown = json.loads(fine("status", "--json"))
    assert shown.pop("oldest_due_seconds") >= 0
    assert shown.pop("latest_due_in_seconds") is None
    assert shown == {
        "pending": 1000,
        "running": 0,
        "succeeded": 0,
        "failed": 0,
        "set_aside": 0,
        "enqueued_in_future": 0,
        "abandoned": 0,
        "duplicates_refused": 1,
    }
    lines = fine("status").splitlines()
    assert lines[0].startswith("PENDING               1,000  the oldest has been due for ")
    assert lines[-1] == "duplicates refused        1"


def test_an_empty_queue_has_no_oldest_job(opened: Store) -> None:
    """With nothing waiting the age is null, and left out of the text."""
    assert opened.jobs() == ()
    assert json.loads(fine("status", "--json"))["oldest_due_seconds"] is None
    assert fine("status").splitlines()[0] == "PENDING                   0"


def abandoned(database: Database, jobs: int) -> None:
    """Leave leases behind that ran out long ago; the first job was committed."""
    clock = ManualClock()
    with closing(database.open(clock=clock, create=True)) as store:
        queue = Queue(store=store)
        for number in range(jobs):
            queue.enqueue(number)
        held = [leased(queue, "dead").execution for _ in range(jobs)]
        assert queue.start(held[0])
        assert queue.commit(held[0], None)


def test_reconcile_goes_on_until_nothing_is_left(database: Database) -> None:
    """It takes batch after batch, prints what it did, and finds nothing the second time."""
    abandoned(database, 1002)
    assert "1,002  `reconcile` ends them" in fine("status")
    assert [line.split()[:2] for line in fine("reconcile").splitlines()] == [
        ["finished", "1"],
        ["aborted", "1001"],
    ]
    assert [line.split()[1] for line in fine("reconcile").splitlines()] == ["0", "0"]
    assert json.loads(fine("status", "--json"))["abandoned"] == 0


def test_audit_lines_stay_lines() -> None:
    """A line break in an exception or a control character in a name is printed as an escape, in column."""
    fine("enqueue", "1")
    fine("work", "handlers:fail", "--once", "--name", "A\n\x1b[31m")
    lines = fine("audit", "1").splitlines()
    assert len(lines) == 4
    assert lines[3].endswith(r"  handler_failed: ValueError: no\nway")
    assert all(r"A\n\x1b[31m" in line for line in lines[1:])
    assert len({line.index(" exec-1 ") for line in lines[1:]}) == 1


def test_audit_as_json_has_each_field(opened: Store) -> None:
    """One object: the job, and a row for each line, with the time in milliseconds and as text."""
    fine("enqueue", "1")
    shown = json.loads(fine("audit", "1", "--json"))
    row = next(opened.audit())
    assert shown == {
        "job": 1,
        "history": [
            {
                "time": utc(row.at),
                "id": 1,
                "at": row.at,
                "actor": "producer",
                "operation": "enqueue",
                "event": "enqueued",
                "job_id": 1,
                "execution_id": None,
                "before": None,
                "after": None,
                "reason": None,
                "detail": None,
            }
        ],
    }


def test_times_are_shown_in_utc() -> None:
    """A time is text to the millisecond, also before the epoch."""
    assert utc(1_709_251_199_999) == "2024-02-29 23:59:59.999Z"
    assert utc(0) == "1970-01-01 00:00:00.000Z"
    assert utc(-1) == "1969-12-31 23:59:59.999Z"


@pytest.mark.parametrize("command", [(), *[(name,) for name in main.commands]], ids=str)
def test_every_command_and_option_has_a_help_text(command: tuple[str, ...]) -> None:
    """The help exists, and each option in it is explained; the group's has an example."""
    text = fine(*command, "--help")
    assert ("python -m system enqueue '{" in text) == (command == ())
    found = main.commands[command[0]] if command else main
    assert found.help
    assert all(param.help for param in found.params if isinstance(param, click.Option))


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        ("nowhere:f", "there is no module 'nowhere'"),
        ("handlers.deeper:f", "there is no module 'handlers.deeper'"),
        ("handlers:nothing", "handlers.py) has no 'nothing'"),
        ("sys:nothing", "has no 'nothing'"),
        ("handlers:number", "is of type int; it must be a function of (job, context)"),
        ("handlers:one_argument", "cannot be called: too many positional arguments"),
        ("handlers:wait", "is an async function"),
        ("handlers", "is not of the form package.module:function"),
        (".handlers:f", "is not of the form package.module:function"),
        ("broken:f", "importing 'broken' raised ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("leaving:f", "importing 'leaving' raised SystemExit: 3"),
    ],
)
def test_a_handler_that_cannot_be_used_is_refused(handler: str, why: str, opened: Store) -> None:
    """The line says what is wrong with the name, and no job is leased."""
    Queue(store=opened).enqueue(1)
    assert why in refused("work", handler, "--drain")
    assert opened.executions() == ()


def test_an_unknown_job_is_told(opened: Store, database: Database) -> None:
    """A job that does not exist has no history."""
    assert opened.jobs() == ()
    assert refused("audit", "7") == (
        f"error: {database.named}: there is no job 7; `enqueue` prints a job's id"
    )
