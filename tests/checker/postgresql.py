"""What the tests of the PostgreSQL server share."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from failure_modes.checker.support.postgresql.binaries import all_binaries
from failure_modes.checker.support.postgresql.kept_server import alive
from failure_modes.checker.support.postgresql.server import NAMED
from system.clock import Stopwatch, SystemClock

GONE_SECONDS = 30.0
FOUND = all_binaries()
needs_binaries = pytest.mark.skipif(not FOUND, reason="no PostgreSQL binaries are at hand")

TELL = """
import json, os, signal, subprocess
from failure_modes.checker.support.postgresql.server import fresh_database, server
one, child = server(), 0
"""
SAY = """
said = {"folder": str(one.folder), "pid": one.postmaster_pid, "child": child}
print(json.dumps(said), flush=True)
signal.pause()
"""


def environment(**others: str) -> dict[str, str]:
    """The environment of this process, without a server in it, and with others."""
    return {key: value for key, value in os.environ.items() if key != NAMED} | others


def python(script: str, **others: str) -> subprocess.CompletedProcess[str]:
    """What a Python process made of this script, with these variables in its environment."""
    return subprocess.run(
        [sys.executable, "-c", script],
        env=environment(**others),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def ask(dsn: str, question: str) -> object:
    """The first column of the first row of the answer, if any, on a connection of its own."""
    with closing(psycopg.connect(dsn, autocommit=True)) as connection:
        cursor = connection.execute(question.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def goes(folder: str | Path, pid: int) -> bool:
    """Whether a process and a folder are gone before long."""
    watch = Stopwatch()
    while watch.seconds < GONE_SECONDS:
        if not alive(pid) and not Path(folder).exists():
            return True
        SystemClock().sleep(0.05)
    return False
