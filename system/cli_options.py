"""The part that the commands share: the report of a wrong value, and options in seconds."""

import re
from collections.abc import Callable
from typing import Any

import click

from system.output import one_line
from system.settings import SECONDS_LEAST, SECONDS_MAX, why_not_seconds

MISPLACED = re.compile("://|@|password", re.IGNORECASE)
"""Finds text that may be a misplaced address, and so may hold a password."""


class Failure(click.ClickException):
    """A value of the user cannot be used. The message says which, where, and gives a correct one."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print it in one line."""
        click.echo(f"error: {one_line(self.message)}", file=file, err=True)


def seconds(
    name: str, *, default: float | None, help_: str, least: float = SECONDS_LEAST, most: float = SECONDS_MAX
) -> Callable[[Any], Any]:
    """An option that is a number of seconds."""

    def check(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
        if value is not None and (why := why_not_seconds(value, least=least, most=most)):
            raise click.BadParameter(f"{why}.", ctx, param)
        return value

    return click.option(
        name,
        type=float,
        default=default,
        show_default=default is not None,
        metavar="SECONDS",
        callback=check,
        help=help_,
    )
