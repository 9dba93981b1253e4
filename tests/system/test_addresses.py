"""Which addresses and names of files are taken, what is shown of them, and what is said where they fail."""

import traceback
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from system.database import named
from system.postgresql import PostgreSQLStore, shown
from system.store import StoreError
from tests.system.commands import call
from tests.system.processes import process
from tests.system.test_address_secrets import secret_in

# What a server says, and libpq.


NO_SCHEMA = "no schema of the search path exists"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"dbname": "Zq7x Wk9v"}, "the server has no such database"),
        ({"user": "Zq7x"}, "the server has no such user or role"),
        ({"host": "Zq7x:Wk9v"}, "the name of the host cannot be resolved"),
        ({"options": "-crole=Zq7x"}, "the server has no such user or role"),
        ({"options": "-cZq7x=1"}, "an option in the address has a value that cannot be used"),
        ({"options": "Zq7x"}, "an option in the address has a value that cannot be used"),
        ({"options": "-clock_timeout=Zq7x"}, "an option in the address has a value that cannot be used"),
        ({"options": "-csearch_path=Zq7x"}, NO_SCHEMA),
        ({"sslmode": "Zq7x"}, "an option in the address has a value that cannot be used"),
        ({"connect_timeout": "Zq7x"}, "an option in the address has a value that cannot be used"),
        ({"keepalives_idle": "Zq7x", "host": "127.0.0.1"}, "an option in the address has a value that"),
        ({"service": "Zq7x"}, "an option in the address has a value that cannot be used"),
        ({"hostaddr": "Zq7x"}, "an option in the address has a value that cannot be used"),
        ({"host": "/Zq7x:Wk9v"}, "No such file or directory"),
    ],
    ids=str,
)
def test_what_the_server_or_libpq_says_is_said_in_our_words(
    postgresql_dsn: str, changed: dict[str, str], said: str
) -> None:
    """A value that they refuse, wherever it is, and which they repeat, is not repeated."""
    options = conninfo.conninfo_to_dict(postgresql_dsn, **changed)
    address = conninfo.make_conninfo("", **options)
    if said != NO_SCHEMA:
        with pytest.raises(psycopg.Error, match="Zq7x"):
            psycopg.connect(address)
    with pytest.raises(StoreError) as raised:
        PostgreSQLStore(address)
    assert said in str(raised.value)
    assert secret_in("".join(traceback.format_exception(raised.value))) is None


@pytest.mark.parametrize(
    "address",
    [
        " postgresql://u:Zq7x@h/q",
        "postgresql:/u:Zq7x@h/q",
        "postgresql://u:Zq7x/@h/q",
        "postgresql://u@127.0.0.1:1/q?sslmode=Zq7x",
        "postgresql://u@Zq7x..x/q",
        "postgresql://u:Zq7x@127.0.0.1:1/q?password=Wk9v&connect_timeout=1",
    ],
)
def test_a_real_process_prints_no_part_of_a_secret(tmp_path: Path, address: str) -> None:
    """`python -m system` itself, with the driver and libpq that are there."""
    with process(tmp_path, "--db", address, "status") as running:
        code, out, err = running.end()
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert secret_in(err) is None


# Which names are taken, and what is shown of them.


@pytest.mark.parametrize(
    "name",
    [
        "./a:b@c=d?e%41#.db",
        "./postgresql:x",
        "../{here}/host=h password=x",
        "/.{folder}/a@b.db",
        "plain name-1.db",
    ],
)
def test_a_file_of_any_name_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """With ./ in front, or /. before a name that begins with /, it is a file's, whatever is in it."""
    monkeypatch.chdir(tmp_path)
    name = name.format(here=tmp_path.name, folder=tmp_path)
    assert call("--db", name, "enqueue", "1").stdout == "1\n"
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(("-shm", "-wal"))] == [
        name.rpartition("/")[2]
    ]


@pytest.mark.parametrize("name", ["a:b.db", "a@b.db", "a=b.db", "a%b.db", "my_Passwords.db", "/x/a@b.db"])
def test_a_name_that_may_be_an_address_is_refused(name: str) -> None:
    """The line says how such a file is named, and does not repeat it."""
    with pytest.raises(StoreError) as raised:
        named(name, 5)
    assert "put ./ (or /. before a /) in front of the name of a file" in str(raised.value)
    assert name not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("postgresql://u:Zq/7x@h/q", "a character where it cannot be"),
        ("postgresql://u:Zq?7x@h/q", "a character where it cannot be"),
        ("postgresql://h/q?password=Zq@7x", "a character where it cannot be"),
        ("postgresql://h/q?options=a?b", "a character where it cannot be"),
        ("postgresql://h:70000/q", "a port that is not a number up to 65,535"),
        ("postgresql://h:0/q", "a port that is not a number up to 65,535"),
        ("postgresql://h:pw/q", "a port that is not a number up to 65,535"),
        ("host=h port=x", "a port that is not a number up to 65,535"),
        ("postgresql://u:Zq\0@h/q", "a null byte"),
        ("postgresql://u:Zq\udcff@h/q", "not valid Unicode"),
        ("host=h password", 'missing "="'),
        ("password='Zq", "unterminated quoted string"),
        ("postgresql://h/q?Zq=1", "invalid URI query parameter"),
    ],
    ids=ascii,
)
def test_why_an_address_is_refused(address: str, why: str) -> None:
    """The line says what is wrong in words that hold nothing of it, and how one is written."""
    with pytest.raises(StoreError) as raised:
        PostgreSQLStore(address)
    assert str(raised.value).startswith(f"not a PostgreSQL address: {why}; write postgresql://USER:PASSWORD@")


@pytest.mark.parametrize(
    ("address", "seen"),
    [
        ("postgresql://u:p@h:5/q", "postgresql://h:5/q"),
        ("postgres://u@h.example/q", "postgresql://h.example/q"),
        ("postgresql://u:p@[::1]:5/q", "postgresql://[::1]:5/q"),
        ("postgresql:///q?host=/run/pg-1&port=5", "postgresql:///run/pg-1:5/q"),
        ("postgresql://a:1,b:2/q", "postgresql://.../q"),
        ("postgresql:///q", "postgresql:///q"),
        ("postgresql:///", "postgresql:///"),
        ("postgresql://h/a%20b?password=p", "postgresql://h/..."),
        ("postgresql://a%40b/q", "postgresql://.../q"),
        ("host=h user=u password=p port=5 dbname=q", "postgresql://h:5/q"),
        ("dbname=q;password=p host=h", "postgresql://h/..."),
    ],
)
def test_what_is_shown_of_an_address(address: str, seen: str) -> None:
    """Host, port and database, as far as they are plain names, and nothing else of it."""
    assert shown(address) == seen
