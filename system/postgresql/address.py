"""An address of PostgreSQL: the forms that are accepted, and the parts that may be printed.

An address may hold a password, and a mistake in it can put the password anywhere. So a text that has not the
form of an address is refused and never repeated. Of an address only the host, the port and the database are
shown. The user is not: without its colon, user and password are one word.
"""

import re

import psycopg
from psycopg import conninfo

from system.store import StoreError

_SCHEMES = ("postgresql://", "postgres://")
_WRITE = (
    "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with : / ? @ % in a password as %3A %2F %3F %40 %25"
)
_URL = re.compile(
    rf"({'|'.join(_SCHEMES)})"
    r"([^/?@]*@)?"  # user and password
    r"[\w.:,%\[\]-]*"  # hosts and ports
    r"(/[\w.~%+-]*)?"  # database
    r"(\?[^?@]*)?"  # options
)
"""Stricter than libpq, which takes the rest of a password with a `/` in it for a database."""

_HOST = re.compile(r"[\w.-]+|[\da-fA-F:.]+|/[\w./-]*")
"""A name, an IP address, or the folder of a socket."""

_PLACE = re.compile(r"(?<=://)(?!/).*(?=/)")
"""The host and its port, in what is shown."""

_DATABASE = re.compile(r"[\w.-]+")
_HIDDEN = "..."
_PORT_MAX = 65535
_REASONS = (
    "invalid URI query parameter",
    "invalid connection option",
    "missing key/value separator",
    "extra key/value separator",
    "invalid percent-encoded token",
    "forbidden value %00",
    'missing "="',
    "unterminated quoted string",
    "end of string reached when looking for matching",
    "unexpected character",
)
"""The beginnings of libpq's messages. The rest of a message may be a part of a password."""


def read(dsn: str) -> dict[str, str]:
    """The options of an address, by libpq's names. Raises StoreError."""
    if dsn.startswith(_SCHEMES) and not _URL.fullmatch(dsn):
        raise _refused("a character where it cannot be")
    if "\0" in dsn:
        raise _refused("a null byte")
    try:
        given = conninfo.conninfo_to_dict(dsn)
    except psycopg.Error as error:
        raise _refused(next((reason for reason in _REASONS if reason in str(error)), None)) from None
    except UnicodeError:
        raise _refused("not valid Unicode") from None
    options = {name: str(value) for name, value in given.items() if value is not None}
    if not all(_is_port(port) for port in options.get("port", "").split(",")):
        raise _refused(f"a port that is not a number up to {_PORT_MAX:,}")
    return options


def shown(dsn: str) -> str:
    """The address in a form that may be printed. Raises StoreError."""
    options = read(dsn)
    place = options.get("host") or options.get("hostaddr") or ""
    if place and not _HOST.fullmatch(place):  # or several hosts, of which one may answer to its name
        place = _HIDDEN
    elif ":" in place:
        place = f"[{place}]"
    if place != _HIDDEN and "port" in options:
        place += f":{options['port']}"
    database = options.get("dbname", "")
    if database and not _DATABASE.fullmatch(database):
        database = _HIDDEN
    return f"postgresql://{place}/{database}"


def without_host(shown: str) -> str:
    """The form that is shown when the host was not found."""
    return _PLACE.sub(_HIDDEN, shown, count=1)


def _is_port(text: str) -> bool:
    return not text or (text.isascii() and text.isdecimal() and 0 < int(text[:9]) <= _PORT_MAX)


def _refused(reason: str | None) -> StoreError:
    return StoreError(f"not a PostgreSQL address{f': {reason}' if reason else ''}; {_WRITE}")
