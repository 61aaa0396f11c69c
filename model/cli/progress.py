"""Progress bars of the commands, on standard error and only on a terminal."""

from collections.abc import Sequence

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
    """Progress bar that shows one stage at a time, with notes above it.

    Args:
        bar: drawn on a terminal; elsewhere each of ``stages`` is a line.
        stages: names of the stages in their order, for their numbers.
    """

    def __init__(self, bar: ProgressBar, stages: Sequence[str] = ()) -> None:
        self.bar, self.stages = bar, stages
        self.stage, self.task = "", TaskID(0)

    def note(self, text: str) -> None:
        """Print a line."""
        click.echo(text, err=True)

    def update(self, stage: str, done: int, total: int) -> None:
        """Show how many steps of a stage are done, in place of the last stage."""
        if stage != self.stage:
            if self.stage:
                self.bar.remove_task(self.task)
            self.stage, title = stage, stage
            if stage in self.stages:
                title = f"{self.stages.index(stage) + 1}/{len(self.stages)} {stage}"
                if self.bar.disable:
                    self.note(title)
            # Without a total the bar moves, but has no end.
            self.task = self.bar.add_task(title, total=total or None)
        if total:
            self.bar.update(self.task, completed=done, total=total)
