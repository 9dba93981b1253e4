"""What the commands share: how a value that cannot be used is reported, and options in seconds."""

import math
from collections.abc import Callable
from typing import Any

import click

from system.output import DAY_SECONDS, one_line


class Failure(click.ClickException):
    """What the user gave cannot be used. The message says what, where, and what would be right."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print it in one line."""
        click.echo(f"error: {one_line(self.message)}", file=file, err=True)


def seconds(name: str, *, least: float, default: float | None, help_: str) -> Callable[[Any], Any]:
    """An option that is a number of seconds, a day at most."""
    return click.option(
        name,
        type=click.FloatRange(least, DAY_SECONDS),
        default=default,
        show_default=default is not None,
        metavar="SECONDS",
        callback=_is_number,
        help=help_,
    )


def _is_number(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Refuse NaN, which no range excludes."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is not a number of seconds.", ctx, param)
    return value
