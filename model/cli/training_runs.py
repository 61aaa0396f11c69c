"""``runs``: list the training runs of the data folder."""

import json

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..training.run_record import list_runs
from ..training.training_job import current_job
from .models import format_accuracy


@click.command("runs")
@click.option("--json", "as_json", is_flag=True, help="Print all that is recorded as JSON.")
def runs_command(as_json: bool) -> None:
    """List the training runs, newest first, including those of the workshop."""
    records, job = list_runs(), current_job()
    if as_json:
        rows = [record.model_dump(mode="json") for record in records]
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("run", "model", "started (UTC)", "network", "photos", "correct", "version"):
        table.add_column(column, overflow="fold")
    for record in records:
        network = str(record.parameters.get("arch", ""))
        cells = (
            str(record.number),
            record.model,
            f"{record.started:%Y-%m-%d %H:%M}",
            network,
            record.photos[:8],
            format_accuracy(record.metric("accuracy")),
            record.version or record.state_now(job.model if job else None),
        )
        table.add_row(*map(Text, cells))
    Console().print(table)
