"""The command `new`: it makes the folder of a new failure mode."""

import click

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.output import output, show
from failure_modes.checker.cli.paths import command_line, shown_path
from failure_modes.checker.cli.scaffold import lay_out


@command()
@click.argument("number")
@click.argument("name")
def new(number: str, name: str) -> EXIT:
    """Make the folder of a new failure mode. Its tests fail until you fill them in."""
    folder = lay_out(number, name)
    show(f"made: {shown_path(folder)}")
    show(f"next: fill in spec.md and scenario.py, then {command_line('find', folder.name[:6])}")
    output().add(None, failure_mode=folder.name[:6], folder=shown_path(folder))
    return EXIT.AS_EXPECTED
