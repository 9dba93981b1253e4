"""A secret in an address is never printed, however the address is mangled and whatever then goes wrong."""

import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from system.database import named
from system.postgresql import PostgreSQLStore, shown
from system.postgresql.address import without_host
from system.store import StoreError
from tests.system.commands import call

LETTERS, DIGITS = ("Zq7x", "Wk9v"), ("7041983", "9527416")
"""Two parts of a secret, which nothing else has in it."""

ADDRESSES = (
    "postgresql://u:SECRET@h/q",
    "postgres://u:SECRET@h:5432/q?sslmode=disable",
    "postgresql://h/q?user=u&password=SECRET",
    "postgresql:///q?password=SECRET&host=/nowhere",
    "postgresql://h/q?SECRET=1",
    "postgresql://h/q?sslmode=SECRET",
    "postgresql://h/q?connect_timeout=SECRET",
    "postgresql://h/q?options=-cSECRET%3Don",
    "postgresql://SECRET@h/q",
    "postgresql+psycopg://u:SECRET@h/q",
    "mysql://u:SECRET@h/q",
    "jdbc:postgresql://h/q?user=u&password=SECRET",
    "host=h user=u password=SECRET dbname=q",
    "PASSWORD='SECRET' host=h",
    "u:SECRET@h/q",
)
COMMANDS = (("status",), ("init",), ("enqueue", "1"), ("work", "idle_handler:echo", "--drain"))
ANY = st.characters(exclude_characters="\0")


JOINED_BY = ("", "/", "@", ":", "?", "#", "%", "=", "&", " ", "'")
"""What may be in the middle of a password."""

EDITS = ":/?@=&%,[ "


def edited(address: str, at: int, others: str) -> Iterator[str]:
    """The address with one mistake at that place."""
    before, char, after = address[:at], address[at], address[at + 1 :]
    yield before + after
    for other in others:
        yield before + other + after
        yield before + other + char + after
    if after and "SECRET" in address[:at] + after:
        yield before + after[0] + char + after[1:]


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """An address with a secret, and one mistake in it, and perhaps another around it."""
    address = draw(st.sampled_from(ADDRESSES))
    places = [at for at, char in enumerate(address) if not char.isalnum()]
    at = draw(st.sampled_from(places) | st.sampled_from([0, len(address) - 1]))
    other = draw(st.sampled_from(EDITS) | ANY)
    address = draw(st.sampled_from([address, *edited(address, at, other)]))
    case = draw(st.sampled_from(["as it is", "as it is", "upper", "title"]))
    address = {"upper": address.upper(), "title": address.title()}.get(case, address)
    before, after = (draw(st.sampled_from(["", "", "", " ", "'", '"', "\n", "=", "db="])) for _ in range(2))
    joined_by = draw(st.sampled_from(JOINED_BY) | st.text(ANY, max_size=2))
    secret = joined_by.join(draw(st.sampled_from([LETTERS, DIGITS])))
    return before + re.sub("secret", lambda _: secret, address, flags=re.IGNORECASE) + after


def secret_in(text: str) -> str | None:
    """The part of a secret that is in the text."""
    return next((part for part in (*LETTERS, *DIGITS) if part.casefold() in text.casefold()), None)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """A driver that connects to nothing, and whose errors repeat all that it was given: its calls."""
    calls: list[dict[str, Any]] = []
    kinds = (psycopg.OperationalError, psycopg.ProgrammingError, psycopg.InterfaceError)
    errors = (*kinds, psycopg.errors.InvalidCatalogName, psycopg.errors.InvalidPassword)

    def connect(**options: Any) -> Any:
        calls.append(options)
        said = "; ".join([f'{name} "{value}"' for name, value in options.items()])
        if options.get("host") not in (None, "h", "/nowhere"):
            raise psycopg.OperationalError(f"failed to resolve host: {said}")
        raise errors[len(calls) % len(errors)](f"Connection refused: {said}" if len(calls) % 2 else said)

    monkeypatch.setattr(psycopg, "connect", connect)
    monkeypatch.delenv("QUEUE_DB", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "idle_handler.py").write_text("def echo(job, context):\n    context.write(1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    return calls


often = settings(
    deadline=None,
    derandomize=True,
    max_examples=600,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@often
@given(address=mangled(), command=st.sampled_from(COMMANDS))
@example(address=" postgresql://u:Zq7x@h/q", command=("status",))
@example(address="postgresql:/u:Zq7x@h/q", command=("status",))
@example(address="postgresql:Zq7x@h/q", command=("init",))
@example(address="u:Zq7x@h/q", command=("enqueue", "1"))
@example(address="host=h PASSWORD=Zq7x", command=("enqueue", "1"))
@example(address="postgresql://u:Zq7x\udcff@h/q", command=("status",))
@example(address="postgresql://h/q?client_encoding=Zq7x", command=("status",))
@pytest.mark.usefixtures("calls")
def test_a_mangled_address_is_never_printed_with_its_secret(address: str, command: tuple[str, ...]) -> None:
    """Whatever is wrong with it, the command ends in one line, without any part of the secret."""
    result = call("--db", address, *command)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert secret_in(result.output) is None


@often
@given(address=mangled())
@pytest.mark.usefixtures("calls")
def test_an_error_of_a_mangled_address_does_not_hold_its_secret(address: str) -> None:
    """Neither does its traceback, with all that it was raised from, nor the database's `repr`.

    The library takes the other forms of libpq, too.
    """
    for opening in (_open_named, PostgreSQLStore):
        try:
            printed = str(opening(address))
        except StoreError as error:
            printed = "".join(traceback.format_exception(error)) + repr(error)
        assert secret_in(printed) is None


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_single_mistake_brings_a_secret_to_light(address: str) -> None:
    """At each place of each address, with each character that means something in one: by the whole list."""
    start = address.index("SECRET")
    places = [at for at in range(len(address)) if not start <= at < start + len("SECRET")]
    tried = {address, *[wrong for at in places for wrong in edited(address, at, EDITS)]}
    assert len(tried) > 10 * len(places)
    for text in tried:
        for parts in (LETTERS, DIGITS):
            for joined_by in JOINED_BY:
                name = text.replace("SECRET", joined_by.join(parts))
                assert secret_in(_told(named, name, 5)) is None, name
                assert secret_in(without_host(_told(shown, name))) is None, name


def _told(ask: Callable[..., object], *arguments: object) -> str:
    try:
        return str(ask(*arguments))
    except StoreError as error:
        return str(error)


def _open_named(text: str) -> str:
    database = named(text, 5)
    with pytest.raises(StoreError) as raised, database.open():
        pass
    return f"{database!r} {raised.value}"


def test_the_driver_that_tells_all_is_reached(calls: list[dict[str, Any]]) -> None:
    """A right address comes to it whole: else nothing above would be shown by it."""
    assert call("--db", "postgresql://u:Zq7x@h:5/q?sslmode=disable", "status").exit_code == 2
    [options] = calls
    assert {
        "user": "u",
        "password": "Zq7x",
        "host": "h",
        "port": "5",
        "dbname": "q",
    }.items() <= options.items()


@pytest.mark.parametrize(
    "arguments",
    [
        ("postgresql://u:Zq7x@h/q", "status"),
        ("--dbpostgresql://u:Zq7x@h/q", "status"),
        ("u:Zq7x@h/q",),
        ("status", "postgresql://h/q?password=Zq7x"),
        ("audit", "postgresql://u:Zq7x@h/q"),
        ("work", "postgresql://u:Zq7x@h/q"),
        ("--busy-seconds", "postgresql://u:Zq7x@h/q", "status"),
        ("enqueue", "postgresql://u:Zq7x@h/q"),
        ("enqueue", "1", "--attempts", "PASSWORD=Zq7x"),
        ("backup", "postgresql://u:Zq7x@h/q"),
        ("backup", "u:Zq7x@h"),
        ("restore", "postgresql://u:Zq7x@h/q"),
        ("restore", "host=h password=Zq7x"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("calls")
def test_an_address_in_another_place_is_not_repeated(arguments: tuple[str, ...]) -> None:
    """As a command, an option's value, a handler or a job's number it is bad usage, told in one line."""
    result = call(*arguments)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert secret_in(result.output) is None
