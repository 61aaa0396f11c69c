"""Archives on Ray: an actor per core, each with the model loaded, takes part after part."""

import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # Ray reads it when it is imported

import ray
import ray.data

from model import Bundle, Classifier
from model.engines import start
from model.errors import LoupeError
from model.resources import cores, memory_mb
from model.settings import ROOT, settings
from model.storage.addresses import storage_errors

from .archive_run import ArchiveRun, Job


class PartIdentifier:
    """Actor with one core, its share of the node's memory, and the model that the driver sent."""

    def __init__(self, job: Job, files: ray.ObjectRef) -> None:
        self.job, self.files = job, files

    @cached_property  # in __init__, Ray would hide the error
    def run(self) -> tuple[ArchiveRun, Classifier]:
        """The archive run with its list of photos, and the loaded model."""
        memory = max(128, memory_mb() // cores())
        os.environ |= {"LOUPE_THREADS": "1", "LOUPE_MEMORY_MB": str(memory)}
        with tempfile.TemporaryDirectory() as folder:
            for name, data in ray.get(self.files).items():
                Path(folder, name).write_bytes(data)
            bundle = Bundle.open(Path(folder))
            classifier = Classifier(bundle, start(bundle, self.job.engine))
            classifier.run_golden_test()
        return ArchiveRun(self.job), classifier

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[int]]:
        """Identify one part; return how many photos and failures it has."""
        run, classifier = self.run
        ((photos, failures),) = run.identify(classifier, batch["part"].tolist())
        return {"photos": [photos], "failures": [failures]}


def identify_on_ray(run: ArchiveRun, bundle: Bundle, cluster: str) -> Iterator[tuple[int, int]]:
    """Write the files of the parts that have none; yield each part's photos and failures.

    Args:
        run: the job and its parts.
        bundle: its model, which needn't be on the cluster's machines.
        cluster: its address, ``auto`` for the one that this machine is in, or ``local`` to
            start one here.

    Raises:
        StorageUnavailable: the cluster, the archive or the results can't be used.
    """
    code = {"py_modules": [str(ROOT / "model"), str(ROOT / "scale")], "excludes": ["library"]}
    options: dict[str, Any] = {"runtime_env": code, "log_to_driver": False}
    if cluster == "local":
        # Of Ray's shared memory, only the model's files need much.
        options |= {"num_cpus": settings().threads, "object_store_memory": 200 * 2**20}
    with storage_errors(f"Ray at {cluster}"):
        if ":" in cluster:  # Ray would try for minutes, and Ctrl-C wait for it
            host, port = cluster.split(":")
            socket.create_connection((host, int(port)), timeout=10).close()
            os.environ |= {"RAY_gcs_server_port_wait_time_s": "1"}  # where another server listens
        session = ray.init(cluster, include_dashboard=False, logging_level="error", **options)
    with session:
        if cluster != "local" and ray.available_resources().get("CPU", 0) < 1:
            logging.getLogger("loupe").warning("Waiting for a free core of the cluster")
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars, context.raise_original_map_exception = False, True
        logging.getLogger("ray.data").setLevel("CRITICAL")
        files = {name: bundle.copy_source(name).read_bytes() for name in bundle.copied_names}
        arguments, count = (run.job, ray.put(files)), len(run.parts)
        rows = [{"part": part} for part in run.parts]
        actors = min(count, max(1, int(ray.cluster_resources().get("CPU", 0))))
        pool = ray.data.ActorPoolStrategy(size=actors)
        counts = ray.data.from_items(rows, override_num_blocks=count).map_batches(
            PartIdentifier, fn_constructor_args=arguments, batch_size=1, num_cpus=1, compute=pool
        )
        try:
            with storage_errors(f"Ray at {cluster}"):
                yield from ((row["photos"], row["failures"]) for row in counts.iter_rows())
        except LoupeError as error:
            # Ray's error is of the same class, with a traceback; Ray Data adds lines to both.
            cause = getattr(error, "cause", error)
            cause.args = (str(cause).partition("\n")[0],)
            raise cause from None
