"""The group and the commands: each has `--json`, is imported when it is asked for, and fails in one line."""

from errno import EPIPE
from functools import partial
from importlib import import_module
from typing import Any

import click

from failure_modes.checker.cli.exits import ERRORS, EXIT, code_of, describe
from failure_modes.checker.cli.output import Output, fail, interrupted, output
from failure_modes.checker.support import interrupts, temporary


class Command(click.Command):
    """A command. Its function returns the exit code."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        help_ = "Print one JSON object instead of text."
        self.params.append(click.Option(["--json", "json_"], is_flag=True, help=help_))

    def invoke(self, ctx: click.Context) -> Any:
        """Run it, and leave."""
        interrupts.check()  # a signal may have come while the command was imported
        out = output()
        out.json = ctx.params.pop("json_")
        code: EXIT = super().invoke(ctx)
        out.end(code)


command = partial(click.command, cls=Command)
"""The decorator that makes a command of a function."""


class Commands(click.Group):
    """The commands. Whatever stops one of them is said in one line."""

    def __init__(self, *arguments: Any, where: dict[str, str], **options: Any) -> None:
        """`where`: the module of each command, which has a function `command` of that name."""
        super().__init__(*arguments, **options)
        self._where = where

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order of the table."""
        del ctx
        return list(self._where)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; only now is it imported."""
        del ctx
        if cmd_name not in self._where:
            return None
        module, _, name = self._where[cmd_name].partition(":")
        found: click.Command = getattr(import_module(f"failure_modes.checker.cli.{module}"), name)
        return found

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Make the output first, so that bad usage can be said in it."""
        before, _, _ = "\0".join(args).partition("\0--\0")
        ctx.obj = Output(before.split("\0"))
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run one."""
        try:
            interrupts.check()
            temporary.sweep()
            with temporary.room():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            interrupted()
        except click.ClickException as error:
            if not output().json:
                raise
            error.show()
            output().refuse(error.format_message())
        except ERRORS as error:
            if isinstance(error, OSError) and error.errno == EPIPE:
                raise  # nobody reads the output: click knows what to do
            fail(describe(error), code_of(error))
