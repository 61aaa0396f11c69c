"""Log finished runs to MLflow, if it is installed and ``MLFLOW_TRACKING_URI`` is set."""

import os
from importlib import import_module
from importlib.util import find_spec

from .run_record import RunRecord

EXPERIMENT = "loupe"

REQUEST_OPTIONS = {
    # MLflow sends usage data to its developers unless this is set before the import.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # By default, MLflow retries an unreachable server for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def log_run(record: RunRecord) -> str:
    """Log a finished run's parameters, curves and metrics, without paths or names of files.

    Returns:
        Why the run was not logged; "" if it was, or if no server is set. Nothing is raised.
    """
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return ""
    if find_spec("mlflow") is None:
        return "Not logged to MLflow: pip install mlflow-skinny"
    for name, value in REQUEST_OPTIONS.items():
        os.environ.setdefault(name, value)
    try:
        _log(record)
    except Exception as error:  # noqa: BLE001 - MLflow raises many kinds, and the run is done
        return f"Not logged to MLflow: {type(error).__name__}"
    return ""


def _log(record: RunRecord) -> None:
    client = import_module("mlflow").MlflowClient()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    number = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
    tags = {"model": record.model, "version": record.version, "photos": record.photos}
    run = client.create_run(number, tags=tags, run_name=f"{record.model} {record.number}").info
    for name, value in {**record.parameters, **record.counts}.items():
        client.log_param(run.run_id, name, value)
    for row in record.epochs:
        for name in row.keys() - {"number"}:
            client.log_metric(run.run_id, f"epoch {name}", row[name], step=int(row["number"]))
    for name in {metric.name for metric in record.metrics}:
        if metric := record.metric(name):
            client.log_metric(run.run_id, name, metric.value)
    client.set_terminated(run.run_id)
