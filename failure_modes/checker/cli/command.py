"""The group and its commands. Each has `--json`, is imported when it is used, and fails in one line."""

import os
from errno import EPIPE
from functools import partial
from importlib import import_module
from typing import Any

import click

from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.output import Output, fail, interrupted, output
from failure_modes.checker.support import interrupts, temporary

COLORS = {"auto": {}, "always": {"FORCE_COLOR": "1"}, "never": {"NO_COLOR": "1"}}
"""What each choice of `--color` sets in the environment, where child processes see it, too."""


def color_option() -> click.Option:
    """The option `--color`, of the group and of each command. It is stronger than the environment."""
    return click.Option(
        ["--color"],
        type=click.Choice(list(COLORS)),
        expose_value=False,
        callback=_set_color,
        help="Colours: on a terminal unless NO_COLOR is set (auto), always, or never.",
    )


def _set_color(ctx: click.Context, option: click.Parameter, choice: str | None) -> None:
    """Set the environment until the command line ends."""
    del option
    if choice in (None, "auto"):
        return
    before = {name: os.environ.pop(name, None) for name in ("FORCE_COLOR", "NO_COLOR")}
    os.environ.update(COLORS[choice])
    ctx.find_root().call_on_close(lambda: _restore(before))


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


class Command(click.Command):
    """A command. Its function returns the exit code."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        help_ = "Print one JSON object instead of text."
        self.params.append(click.Option(["--json", "json_"], is_flag=True, help=help_))
        self.params.append(color_option())

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and exit."""
        interrupts.check()  # a signal may have come while the command was imported
        out = output()
        out.json = ctx.params.pop("json_")
        code: EXIT = super().invoke(ctx)
        out.end(code)


command = partial(click.command, cls=Command)
"""The decorator that turns a function into a command."""


class Commands(click.Group):
    """The group of commands. An error that stops a command is reported in one line."""

    def __init__(
        self,
        *arguments: Any,
        where: dict[str, str],
        short: dict[str, str],
        examples: dict[str, str],
        **options: Any,
    ) -> None:
        """Make the group. `where` has the module and the name of each command, and `short` its short help."""
        super().__init__(*arguments, **options)
        self._examples = examples
        self.params.append(color_option())
        self._where = where
        self._short = short

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands, in the order of the table."""
        del ctx
        return list(self._where)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name."""
        del ctx
        if cmd_name not in self._where:
            return None
        module, _, name = self._where[cmd_name].partition(":")
        found: click.Command = getattr(import_module(f"failure_modes.checker.cli.{module}"), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the lists of examples and commands. Only a command without a short help is imported."""
        with formatter.section("Examples, each after python -m failure_modes"):
            formatter.write_dl(list(self._examples.items()))
        limit = formatter.width - 6 - max(len(name) for name in self._where)
        shown = []
        for name in self._where:
            known = click.Command(name, help=self._short[name]) if name in self._short else None
            command = known or self.get_command(ctx, name)
            shown.append((name, command.get_short_help_str(limit) if command else ""))
        with formatter.section("Commands"):
            formatter.write_dl(shown)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Make the output before the arguments are parsed: it reports bad usage."""
        before, _, _ = "\0".join(args).partition("\0--\0")
        ctx.obj = Output(before.split("\0"))
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
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
        except (Exception, temporary.NoRoom) as error:
            from failure_modes.checker.cli.failures import ERRORS, code_of, describe

            if not isinstance(error, ERRORS):
                raise
            if isinstance(error, OSError) and error.errno == EPIPE:
                raise  # the reader of the output has closed it: click handles this
            fail(describe(error), code_of(error))
