"""A server ends with the process that started it, and not before."""

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from failure_modes.checker.support.postgresql.kept_server import alive
from failure_modes.checker.support.postgresql.server import NoServer, fresh_database, start
from tests.checker.postgresql import FOUND, SAY, TELL, ask, environment, goes, needs_binaries, python

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="what is tested is read from /proc")
CHILDREN = {
    "alone": "",
    "with a forked child": "child = os.fork()\nif not child: signal.pause()\n",
    "with a child that holds all its files": (
        "files = [int(name) for name in os.listdir('/proc/self/fd')]\n"
        "files = [number for number in files if number > 2 and os.path.exists(f'/proc/self/fd/{number}')]\n"
        "child = subprocess.Popen(['sleep', '100'], pass_fds=files, stdin=-3, stdout=-3).pid\n"
    ),
}


@needs_binaries
def test_a_committed_row_outlives_an_immediate_restart_and_a_connection_does_not() -> None:
    """After an immediate restart the committed rows are there on the same DSN, and the others are not."""
    one = start(FOUND[0])
    try:
        dsn, before = fresh_database(one), one.postmaster_pid
        with closing(psycopg.connect(dsn)) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept VALUES (1)")
            connection.commit()
            connection.execute("INSERT INTO kept VALUES (2)")
            one.restart()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        assert one.postmaster_pid != before
        assert not alive(before)
        assert ask(dsn, "SELECT array_agg(n) FROM kept") == [1]
        one.restart("fast")
        assert ask(dsn, "SELECT array_agg(n) FROM kept") == [1]
    finally:
        one.stop()


@needs_binaries
@needs_linux
@pytest.mark.parametrize("hurt", ["stopped", "killed"])
def test_a_damaged_server_is_started_again(hurt: str) -> None:
    """A server whose first process was stopped or killed is started again, even if another one is stopped."""
    one = start(FOUND[0])
    try:
        with closing(psycopg.connect(one.dsn)) as connection:
            os.kill(connection.info.backend_pid, signal.SIGSTOP)
            number = {"stopped": signal.SIGSTOP, "killed": signal.SIGKILL}[hurt]
            os.kill(one.postmaster_pid, number)
            one.restart()
            assert not alive(connection.info.backend_pid)
        assert ask(one.dsn, "SELECT 1") == 1
    finally:
        one.stop()


@needs_binaries
@needs_linux
@pytest.mark.parametrize("with_", CHILDREN)
def test_a_server_ends_when_its_client_is_killed(with_: str) -> None:
    """SIGKILL to the client ends the server, even while a child of the client holds its files open."""
    script = TELL + CHILDREN[with_] + SAY
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, encoding="ascii", env=environment()
    ) as asker:
        assert asker.stdout is not None
        said = json.loads(asker.stdout.readline())
        try:
            assert alive(said["pid"])
            assert Path(said["folder"]).exists()
            asker.kill()
            asker.wait()
            assert goes(said["folder"], said["pid"])
            assert not said["child"] or alive(said["child"])
        finally:
            if said["child"]:
                os.kill(said["child"], signal.SIGKILL)


@needs_binaries
def test_a_process_that_ends_has_stopped_its_server() -> None:
    """When a client has ended, its server has ended, too."""
    done = python(TELL + SAY.replace("signal.pause()", ""))
    said = json.loads(done.stdout)
    assert not alive(said["pid"])
    assert not Path(said["folder"]).exists()
    assert (done.returncode, done.stderr) == (0, "")


@needs_binaries
def test_a_forked_process_that_ends_stops_nothing() -> None:
    """A forked process does not stop the server of its parent, and gets a server of its own if it asks."""
    script = """
if not os.fork():
    assert server().folder != one.folder
    raise SystemExit
assert os.wait()[1] == 0
one.restart()
one.stop()
assert server() is not one
print(server().postmaster_pid)
"""
    done = python(TELL + script)
    assert (done.returncode, done.stderr) == (0, "")
    assert not alive(int(done.stdout))


@needs_binaries
@needs_linux
def test_a_server_whose_keeper_was_killed_can_be_stopped() -> None:
    """If its keeper was killed, the client stops the server."""
    one = start(FOUND[0])
    status = Path(f"/proc/{one.postmaster_pid}/status").read_text(encoding="utf-8")
    keeper = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:"))
    os.kill(keeper, signal.SIGKILL)
    with pytest.raises(NoServer, match="its keeper is gone"):
        one.restart()
    assert goes(one.folder, one.postmaster_pid)
