"""``train`` on a folder of photos, ``build`` a built-in model, list the training ``runs``."""

import json
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..answer.phrases import promised_rejections
from ..browser.device_files import describe_engine, make_ahead
from ..bundle import (
    BUILTIN_DIR,
    MANIFEST,
    Bundle,
    Manifest,
    SmallCard,
    hold_back,
    list_models,
    read_small_card,
)
from ..evaluation.paired import doubt_of_model
from ..loading import default_model
from ..settings import settings
from ..text import warn_of_labels
from ..training.photo_sets import get_photo_set
from ..training.run_record import list_runs
from ..training.training_job import current_job
from .terminal import (
    FOLDER,
    StageProgress,
    format_share,
    keep_option,
    models_dir_option,
    progress_bar,
    require_full_install,
    unknown_option,
)


@click.command("train")
@click.argument("folder", required=False, type=FOLDER)
@click.option("--name", required=True, help="The model's name, for links and commands.")
@click.option("--arch", help="A packaged network, such as lite0, or a name of timm.  [lite0]")
@click.option("--size", type=int, help="Pixels per side of its input; default: the network's own.")
@click.option("--epochs", type=int, help="Epochs of fine-tuning, at most.  [8]")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Time for the whole run; default: no limit.",
)
@click.option("--search", type=float, help="Minutes of tuning hyperparameters first (Optuna).")
@click.option("--seed", type=int, help="Seed of the split and the training.  [0]")
@click.option("--set", "photo_set", help="A photo set of the workshop, instead of FOLDER.")
@click.option("--check", is_flag=True, help="Only check the set's photos, for the workshop.")
@click.option("--also", type=FOLDER, help="More photos to train on; none of them is held out.")
@unknown_option
@click.option("--title", help="The title on screen; default: the name as words.")
@click.option("--description", help="One or two sentences for the card.")
@click.option("--licence", "--license", help="Licence of the photos and the model.")
@click.option("--source", help="Where the photos come from.")
@click.option(
    "--samples",
    is_flag=True,
    default=None,
    help="Let visitors try up to five held-out photos, which a linear head may have seen.",
)
@models_dir_option
@keep_option
@click.option(
    "--candidate",
    is_flag=True,
    default=None,
    help="Keep the version in use; publish the new one in the workshop, or with rollback.",
)
@click.option("--resume", is_flag=True, help="Resume the unfinished run with this name.")
def train_command(
    folder: Path | None, name: str, keep: bool, resume: bool, check: bool, **options: object
) -> None:
    """Train a model on FOLDER, which holds one folder of photos per label.

    Folders train and validation (and test) inside it are used as the split. Ctrl-C stops
    the run, and --resume continues it. Only one run at a time trains in a data folder.
    """
    # The workshop stops a run with SIGINT, which background jobs of a shell start out ignoring.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    given = {key: value for key, value in options.items() if value not in (None, ())}
    first = default_model()
    if photo_set := given.get("photo_set"):
        chosen = get_photo_set(str(photo_set))
        folder, given["changes"] = chosen.folder, chosen.changes_file
    if check and not photo_set:
        raise click.UsageError("--check needs --set.")
    if folder is None and not resume:
        raise click.UsageError("Name the FOLDER with the photos, or use --set or --resume.")
    if resume and (folder or given.keys() - {"minutes"}):
        raise click.UsageError(
            "--resume reuses the original options; add only --name and --minutes."
        )
    with require_full_install("Training"):
        from ..training.config import TrainingConfig
        from ..training.photo_report import check_photos
        from ..training.train import train
        from ..training.training_job import get_run_dir
    if resume and (saved := TrainingConfig.load(get_run_dir(name))):
        keep |= saved.keep
    if not resume:
        _update_corrections(given.get("also"))
    config = TrainingConfig.create(
        folder=folder or Path(), name=name, command=command_line(name), keep=keep, **given
    )
    with progress_bar() as bar:
        stages = StageProgress(bar, "{}.")
        try:
            if check:
                check_photos(config, stages)
                return
            bundle = train(config, resume=resume, progress=stages)
        except KeyboardInterrupt:
            bar.stop()
            click.echo(f"Stopped. Resume with: python -m model train --name {name} --resume")
            sys.exit(130)
    print_summary(bundle, first, keep=keep)


def _update_corrections(also: object) -> None:
    """Leave out the kept corrections that visitors have taken back since, if it is their folder."""
    from ..corrections import correction_store
    from ..corrections.review import training_folder, write_training_photos

    if isinstance(also, Path) and also.resolve() == training_folder(also.name).resolve():
        write_training_photos(correction_store(), also.name)


@click.command("build")
@click.argument("name", type=click.Choice(["imagenet"]))
@models_dir_option
@click.option(
    "--photos",
    type=FOLDER,
    help="Photos from ImageNet named SYNSET_….JPEG, by which to estimate the temperature again.",
)
def build_command(name: str, models_dir: Path | None, photos: Path | None) -> None:
    """Build model NAME from published weights (needs requirements.txt)."""
    with require_full_install("Building"):
        from ..training.imagenet import build_imagenet
    click.echo(f"Building {name}…", err=True)
    if photos is None:
        click.echo(
            "The temperature isn't estimated again: that needs --photos, a folder of photos from "
            "ImageNet named SYNSET_….JPEG. The built-in model's is kept.",
            err=True,
        )
    with progress_bar() as bar:
        bundle = build_imagenet(
            models_dir or settings().data / "models", photos, StageProgress(bar)
        )
    click.echo(f"{bundle.name} {bundle.version} in {bundle.folder}")


def command_line(name: str) -> str:
    """Return the command as it was typed for a model; visitors read it, so no folder is named."""

    def hide(word: str) -> str:
        before, equals, path = word.rpartition("=")
        is_folder = path not in ("", name) and Path(path).is_dir()
        return f"{before}{equals}FOLDER" if is_folder else word

    command, *words = sys.argv[1:] or [""]
    return shlex.join(["python", "-m", "model", command, *map(hide, words)])[:4000]


def print_summary(bundle: Bundle, first: str | None, *details: str, keep: bool = False) -> None:
    """Print a new model's folder, details and measurements, and what comes next.

    A doubtful model is held back: visitors still see ``first``, as they do with ``keep``.
    """
    manifest = bundle.manifest
    click.echo(f"{bundle.name} {bundle.version} in {bundle.folder}")
    # A taught model has too few photos for this, and lines of its own.
    doubt = "" if manifest.is_taught else doubt_of_model(manifest, manifest.metric("accuracy"))
    card = read_small_card(bundle)
    small = describe_small_graph(card) if card else ""
    warnings = warn_of_labels(bundle.labels), doubt
    details += (describe_engine(bundle),)
    for line in filter(None, (*details, *_measurements(manifest), small, *warnings)):
        click.echo(line)
    _print_next_step(bundle, first, is_held=bool(doubt) or (keep and bundle.name != first))


def _print_next_step(bundle: Bundle, first: str | None, *, is_held: bool) -> None:
    """Print what comes next for a model of the registry, and which one visitors now see first."""
    listed = list_models().get(bundle.name)
    if not isinstance(listed, Bundle) or listed.folder.parent != bundle.folder.parent:
        return  # written to a folder of its own
    if listed.version != bundle.version:
        name, new = bundle.name, bundle.version
        click.echo(f"Visitors still get {name} {listed.version}.")
        click.echo(f"compare them: python -m model compare {name} {name}@{new} FOLDER")
        click.echo(f"publish it: python -m model rollback {name} {new}, or in the workshop")
        return
    _warn_if_shadowing(bundle)
    hold_back(bundle, is_held=is_held)
    make_ahead(bundle)
    now = default_model()
    run = "make run" if now == bundle.name else f"LOUPE_MODEL={bundle.name} make run"
    if is_held or now != first:
        state = "still" if now == first else "now"
        back = f" LOUPE_MODEL={first} keeps {first}." if first and now != first else ""
        click.echo(f"Visitors of the app {state} see {now} first.{back}")
    click.echo(f"see it: {run}, or python -m model identify --model {bundle.name} PHOTO")


def _warn_if_shadowing(bundle: Bundle) -> None:
    """Print the way back if a model replaces a built-in one of the same name."""
    builtin = BUILTIN_DIR / bundle.name
    version = Bundle.open(builtin).version if (builtin / MANIFEST).is_file() else bundle.version
    if version != bundle.version:
        click.echo(
            f"It replaces the built-in {bundle.name}. To go back: "
            f"python -m model rollback {bundle.name} {version}"
        )


def _measurements(manifest: Manifest) -> Iterator[str]:
    """Yield lines with a model's accuracy and OOD accept rates; its card has the rest."""
    if metric := manifest.metric("accuracy"):
        yield (
            f"{metric.value:.1%} of {metric.counted} correct "
            f"(95% CI {100 * metric.low:.1f}–{100 * metric.high:.1f}%; {metric.on})"
        )
    if manifest.is_taught:
        yield from _limits_of_taught(manifest)
        return
    before = manifest.metric("calibration_error_before")
    after = manifest.metric("calibration_error")
    if before and after:
        yield f"calibration error {after.value:.1%} (uncalibrated: {before.value:.1%})"
    if manifest.multilabel:
        yield "not calibrated: only single-label models can be"
        return
    calibration, metric = manifest.calibration, manifest.metric("coverage")
    if calibration is None:
        yield (
            "not calibrated, so it always names something. With 50 photos or more that it hasn't "
            f"seen, one folder per label: python -m model calibrate {manifest.name} FOLDER"
        )
        return
    if calibration.estimated:
        yield "percentages estimated: it always names something"
        return
    if calibration.prediction_set and metric:
        yield (
            f"the right label is among the plausible ones for {metric.value:.1%} "
            f"(target {calibration.prediction_set.coverage:.0%})"
        )
    ood_sets = manifest.card.ood_sets if manifest.card else ()
    for result in ood_sets:
        yield (
            f"of {result.photos:,} out-of-distribution photos ({result.name}), "
            f"{result.ood_accept_rate:.1%} are wrongly accepted (AUROC {result.auroc:.4f}"
            f"{', no better than guessing' if result.near_chance else ''})"
        )
    if not ood_sets:
        yield "“none of these” was not measured: add --unknown FOLDER"


def _limits_of_taught(manifest: Manifest) -> Iterator[str]:
    if not manifest.metrics:
        yield "how often it is right can't be known yet: record each label in two places or more"
    if promised := promised_rejections(manifest.calibration):
        yield f"it may call {promised} things it knows “none of these”"


def describe_small_graph(card: SmallCard) -> str:
    """Return the small graph's accuracy and its agreement with the full one."""
    accuracy = card.metric("accuracy")
    lines = [f"small graph, for browsers: {accuracy.value:.1%} correct"] if accuracy else []
    for row in card.agreement:
        known = "" if row.known is None else f", same decision on “none of these” on {row.known:,}"
        lines.append(f"{row.name}: same top label on {row.top_label:,} of {row.photos:,}{known}")
    return "\n".join(lines)


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
            format_share(record.metric("accuracy")),
            record.version or record.state_now(job.model if job else None),
        )
        table.add_row(*map(Text, cells))
    Console().print(table)
