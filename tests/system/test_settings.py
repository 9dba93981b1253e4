"""Settings: each value that cannot be used is refused where it is given, and each that can be is used."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, fields

from system.clock import SystemClock
from system.policies import Policies
from system.postgresql import PostgreSQLStore
from system.queue import Queue
from system.settings import BUSY_SECONDS_MAX, SECONDS_MAX, InvalidSetting
from system.sqlite import SQLiteStore
from system.worker import Worker
from tests.system.commands import refused

SETTINGS: list[tuple[Any, str]] = [
    (getattr(Policies(), policy.name), field.name)
    for policy in fields(Policies)
    for field in fields(policy.default.factory)  # type: ignore[union-attr]
    if field.name != "prefix"
] + [(Queue(store=None), "lease_seconds")]  # type: ignore[arg-type]
"""Every setting that there is: what holds the value, and its name. But for the one that is text."""

SECONDS = [setting for setting in SETTINGS if setting[1].endswith("_seconds")]
WHOLE = [setting for setting in SETTINGS if setting not in SECONDS]
NO_NUMBERS: tuple[Any, ...] = (True, False, "1", b"1", [1], 1j, Decimal(1), Fraction(1), "x" * 1000)
NO_SECONDS = (*NO_NUMBERS, None, float("nan"), float("inf"), float("-inf"), -1, -1e-9, 1e300, 10**5000)


def beginning(value: Any) -> str:
    """How a value is named in the id of a test."""
    return "huge" if value == 10**5000 else ascii(value)[:9]


@pytest.mark.parametrize("wrong", NO_SECONDS, ids=beginning)
@pytest.mark.parametrize(("of", "name"), SECONDS, ids=[name for _, name in SECONDS])
def test_seconds_that_cannot_be_used_are_refused_at_once(of: Any, name: str, wrong: Any) -> None:
    """The error names the setting and says what it may be, in one line that is short."""
    with pytest.raises(
        InvalidSetting, match=rf"^{name}: .* is not a number of seconds from (0|0.001) to "
    ) as raised:
        evolve(of, **{name: wrong})
    assert len(str(raised.value)) < 150


@pytest.mark.parametrize(("of", "name"), SECONDS, ids=[name for _, name in SECONDS])
def test_the_limits_of_seconds_are_among_them(of: Any, name: str) -> None:
    """So are whole numbers of them; nothing is only where no time at all makes sense."""
    least = 0 if name.startswith("backoff") else 0.001
    for right in (least, 1, 1.5, SECONDS_MAX, float(SECONDS_MAX)):
        assert getattr(evolve(of, **{name: right}), name) == right
    for wrong in (0.0009, SECONDS_MAX + 1, SECONDS_MAX * 1.000001):
        if wrong < least or wrong > SECONDS_MAX:
            with pytest.raises(InvalidSetting, match=name):
                evolve(of, **{name: wrong})


@pytest.mark.parametrize(
    "wrong", [*NO_NUMBERS, 1.0, float("nan"), 0, -1, 2**63, -(2**63) - 1, 10**5000], ids=beginning
)
@pytest.mark.parametrize(("of", "name"), WHOLE, ids=[name for _, name in WHOLE])
def test_whole_numbers_that_cannot_be_used_are_refused_at_once(of: Any, name: str, wrong: Any) -> None:
    """So is what is no `int`, also where it is equal to one."""
    if name == "jitter_seed" and not isinstance(wrong, bool) and wrong in (0, -1) and isinstance(wrong, int):
        assert evolve(of, jitter_seed=wrong).jitter_seed == wrong
        return
    with pytest.raises(InvalidSetting, match=rf"^{name}: .* is not a whole number from ") as raised:
        evolve(of, **{name: wrong})
    assert len(str(raised.value)) < 150


@pytest.mark.parametrize(("of", "name"), WHOLE, ids=[name for _, name in WHOLE])
def test_whole_numbers_up_to_64_bits_are_taken(of: Any, name: str) -> None:
    """None is taken where it means that there is no limit, and no seed."""
    for right in (1, 2**63 - 1, *([-(2**63)] if name == "jitter_seed" else [])):
        assert getattr(evolve(of, **{name: right}), name) == right
    if name in ("retries_max", "failures_max", "jitter_seed"):
        assert getattr(evolve(of, **{name: None}), name) is None


@pytest.mark.parametrize("wrong", [*NO_SECONDS, BUSY_SECONDS_MAX + 1], ids=beginning)
def test_a_wait_that_cannot_be_used_is_refused_before_anything_is_opened(path: Path, wrong: Any) -> None:
    """By both stores, and by a worker; no file is made."""
    with pytest.raises(InvalidSetting, match=r"^busy_seconds: .* from 0 to 86,400$"):
        SQLiteStore(path, clock=SystemClock(), create=True, busy_seconds=wrong)
    with pytest.raises(InvalidSetting, match=r"^busy_seconds: .* from 0 to 86,400$"):
        PostgreSQLStore("postgresql://127.0.0.1:1/q", busy_seconds=wrong)
    if wrong != BUSY_SECONDS_MAX + 1:
        with pytest.raises(InvalidSetting, match=r"^poll_seconds: .* from 0.001 to 1,000,000,000$"):
            Worker(Queue(store=None), print, name="A", clock=SystemClock(), poll_seconds=wrong)  # type: ignore[arg-type]
    assert not path.exists()


@pytest.mark.parametrize("option", ["--busy-seconds", "--lease-seconds", "--poll-seconds"])
@pytest.mark.parametrize("wrong", ["nan", "inf", "-inf", "-1", "1e300", "1000000001"])
@pytest.mark.usefixtures("folder")
def test_the_command_line_refuses_the_same(option: str, wrong: str, path: Path) -> None:
    """In one line, and no file is made."""
    work = ("work", "handlers:echo", "--drain")
    arguments = (option, wrong, *work) if "busy" in option else (*work, option, wrong)
    most = "86,400" if "busy" in option else "1,000,000,000"
    line = refused("--db", "./queue.db", *arguments)
    assert f"Invalid value for '{option}': " in line
    assert f" is not a number of seconds from {0 if 'busy' in option else 0.001} to {most}. See " in line
    assert not path.exists()
