"""Progress bars of the commands, on standard error and only on a terminal."""

import click
from rich.console import Console
from rich.progress import Progress as ProgressBar
from rich.progress import TaskID

from ..training.config import Progress


def progress_bar(*, shown: bool = True) -> ProgressBar:
    """Return a bar with the time left, for use as a context manager."""
    console = Console(stderr=True)
    is_shown = shown and console.is_terminal
    return ProgressBar(console=console, transient=True, disable=not is_shown)


class StageProgress(Progress):
    """Progress bar that shows one stage at a time, with notes above it."""

    def __init__(self, bar: ProgressBar) -> None:
        self.bar = bar
        self.tasks: dict[str, TaskID] = {}

    def note(self, text: str) -> None:
        """Print a line."""
        click.echo(text, err=True)

    def update(self, stage: str, done: int, total: int) -> None:
        """Show how many steps of a stage are done; hide the other stages."""
        if not total:
            return
        if stage not in self.tasks:
            for task in self.tasks.values():
                self.bar.update(task, visible=False)
            self.tasks[stage] = self.bar.add_task(stage, total=total)
        self.bar.update(self.tasks[stage], completed=done, total=total)
