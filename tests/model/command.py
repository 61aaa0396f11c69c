"""``python -m model`` in this process."""

from click.testing import CliRunner, Result

from model.cli import main


def run(*words: object, stdin: bytes | None = None) -> Result:
    """Run a command; an exception that it should have turned into an error fails the test."""
    result = CliRunner().invoke(main, [str(word) for word in words], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def output_of(*words: object, code: int = 0) -> str:
    """Run a command, which must end with the exit status ``code``; return what it printed."""
    result = run(*words)
    assert result.exit_code == code, result.output
    return result.output
