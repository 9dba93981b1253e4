"""The command line, called in this process."""

from click.testing import CliRunner, Result

from system.cli import main


def call(*arguments: str, stdin: str | bytes | None = None) -> Result:
    """Run a command. It may exit, and may not raise."""
    result = CliRunner().invoke(main, arguments, input=stdin)
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result


def refused(*arguments: str, stdin: str | bytes | None = None) -> str:
    """Run a command that must end in one line of error and exit code 2. Returns the line."""
    result = call(*arguments, stdin=stdin)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.endswith("\n")
    assert result.stderr.count("\n") == 1
    return result.stderr.strip()


def fine(*arguments: str, stdin: str | bytes | None = None) -> str:
    """Run a command that must succeed. Returns what it printed."""
    result = call(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return result.stdout
