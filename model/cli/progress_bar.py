"""Progress bars of the commands, on standard error and only on a terminal."""

import click
from rich.console import Console
from rich.progress import Progress as ProgressBar
from rich.progress import TaskID, TimeElapsedColumn

from ..events import Progress


def progress_bar(*, shown: bool = True) -> ProgressBar:
    """Return a bar with the time left and the time taken, for use as a context manager."""
    console = Console(stderr=True)
    is_shown = shown and console.is_terminal
    columns = (*ProgressBar.get_default_columns(), TimeElapsedColumn())
    return ProgressBar(*columns, console=console, transient=True, disable=not is_shown)


class StageProgress(Progress):
    """Progress bar that shows one stage at a time, with notes above it.

    Args:
        bar: drawn on a terminal.
        numbering: put before each stage, with its number for ``{}``. Where no bar is drawn, a
            stage with a number is a line.
    """

    def __init__(self, bar: ProgressBar, numbering: str = "") -> None:
        self.bar, self.numbering = bar, numbering
        self.stage, self.task = "", TaskID(0)
        self.numbers: dict[str, int] = {}

    def note(self, text: str) -> None:
        """Print a line."""
        click.echo(text, err=True)

    def update(self, stage: str, done: int, total: int) -> None:
        """Show how many steps of a stage are done, in place of the last stage."""
        if stage != self.stage:
            if self.stage:
                self.bar.remove_task(self.task)
            self.stage, title = stage, stage
            if self.numbering:
                number = self.numbers.setdefault(stage, len(self.numbers) + 1)
                title = f"{self.numbering.format(number)} {stage}"
                if self.bar.disable:
                    self.note(title)
            # Without a total the bar moves, but has no end.
            self.task = self.bar.add_task(title, total=total or None)
        if total:
            self.bar.update(self.task, completed=done, total=total)
