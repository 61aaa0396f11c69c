"""The parent side of an import: refusals, checks of the worker's output, the published bundle."""

import json
import os
import re
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model import Bundle, Classifier, load
from model.errors import ExportRefused, LoupeError
from model.events import Progress
from model.importing import launcher
from model.importing.convert import importer
from model.importing.convert.importer import STAGES, import_export
from model.importing.convert.parity import gather_photos
from model.importing.convert.worker_report import worker_ended, worker_refused
from model.importing.inspect import ExportReport, Finding
from model.settings import settings
from tests.model.command import run
from tests.model.importing.inspect.attacks import calls
from tests.model.tiny import COLOURS, files, values
from tests.photos import drawn, encoded, turned

Worker = Callable[..., None]
REPORT = ExportReport.model_validate(
    {
        **dict.fromkeys(("labels", "plan", "left_behind", "names", "problems"), ()),
        "file": "export.pkl",
        "bytes": 1,
        "weights_bytes": 1,
        "format": "zip",
        "kind": "vision",
        "task": "single-label",
    }
)
WORKER_REPORT = {
    "labels": list(COLOURS),
    "multilabel": False,
    "recipe": values()["recipe"],
    "architecture": {
        "library": "custom",
        "body": "Colours",
        "head": "custom",
        "features": 3,
        "parameters": 24,
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
    },
    "learner": False,
}


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose inspection finds no problems."""
    monkeypatch.setattr(importer, "inspect_export", lambda path: REPORT)
    (tmp_path / "export.pkl").write_bytes(b"never opened")
    return tmp_path / "export.pkl"


def write_valid_files(out: Path, photos: list[Path], classifier: Classifier) -> None:
    """Write valid files of a worker."""
    (out / "report.json").write_text(json.dumps(WORKER_REPORT))
    for name, data in files().items():
        (out / name).write_bytes(data)
    answers = [fastais_answer(classifier, photo.read_bytes()) for photo in photos]
    np.savez(out / "answers.npz", probabilities=np.array(answers, dtype=np.float32))


@cache
def fastais_answer(classifier: Classifier, photo: bytes) -> Any:
    """Return the probabilities for a photo that is decoded in full, as by fastai."""
    return classifier.identify(Image.open(BytesIO(photo)).convert("RGB")).probabilities


@pytest.fixture
def fake_worker(colours: Classifier, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """Return a function that replaces the worker: it writes valid files, then changes them."""

    def fake(change: Callable[[Path], object] = lambda out: None, status: int = 0) -> None:
        def run(folder: Path, task: dict[str, Any], limits: Any, tell: Any) -> int:
            photos = [folder / "photos" / name for name in task["photos"]]
            write_valid_files(folder / "out", photos, colours)
            change(folder / "out")
            for stage in ("isolated", "loading", "compiling", "\x1b[31m", "comparing"):
                tell(stage)
            return status

        monkeypatch.setattr(launcher, "run", run)

    return fake


class RecordedProgress(Progress):
    def __init__(self) -> None:
        self.stages, self.notes = list[str](), list[str]()

    def update(self, stage: str, done: int, total: int) -> None:
        self.stages.append(stage)

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_bundle_contains_the_workers_files(
    fake_worker: Worker, export: Path, temporary: Path
) -> None:
    fake_worker()
    progress = RecordedProgress()
    imported = import_export(export, "own", title="My own", licence="MIT", progress=progress)
    assert imported.bundle == load("own").bundle
    manifest = imported.bundle.manifest
    assert (manifest.title, manifest.licence, manifest.data.title) == ("My own", "MIT", "export")
    assert manifest.engines == ("compiled",)
    assert manifest.provenance["fastai"]
    assert imported.parity.photos == 10
    assert imported.parity.difference <= 1e-3
    apart = f"{imported.parity.difference:.0e}"
    assert progress.stages == [*STAGES.values()]
    # The second line may be one about large JPEGs.
    assert [progress.notes[0], progress.notes[-1]] == [
        "Converting it in a separate process (no network, no secrets from your environment)…",
        f"Compared 10 photos through fastai and through Loupe: at most {apart} apart.",
    ]
    assert list(temporary.iterdir()) == []


def replace(name: str, new: Any) -> Callable[[Path], object]:
    """Replace a file by bytes, a link, what ``new`` makes of its array, a pipe, or nothing."""

    def change(out: Path) -> None:
        path = out / name
        if callable(new):
            array = np.load(path)["probabilities"]
            np.savez(path, probabilities=new(array))
            return
        path.unlink()
        if isinstance(new, Path):
            path.symlink_to(new)
        elif isinstance(new, bytes):
            path.write_bytes(new)
        elif new == "pipe":
            os.mkfifo(path)

    return change


def report(**changes: Any) -> bytes:
    return json.dumps({**WORKER_REPORT, **changes}).encode()


OTHER_GOLDEN = files(golden_change=lambda arrays: arrays["probabilities"].fill(0.5))["golden.npz"]

LIES: dict[str, tuple[str, Any]] = {
    "no result": ("report.json", None),
    "no json": ("report.json", b"\xff{"),
    "other fields": ("report.json", report(engines=["fake"])),
    "two labels": ("report.json", report(labels=["a", "b"])),
    "same labels": ("report.json", report(labels=["a"] * 6)),
    "a learner": ("report.json", report(learner=True)),
    "other size": ("report.json", report(recipe={"resize": [64, 64]})),
    "a huge result": ("report.json", b" " * (2**24 + 1)),
    "a linked result": ("report.json", Path("/etc/passwd")),
    "a piped result": ("report.json", "pipe"),
    "a link": ("graph.onnx", Path("/etc/passwd")),
    "a pipe": ("graph.onnx", "pipe"),
    "no graph": ("graph.onnx", None),
    "a graph of bytes": ("graph.onnx", b"bytes"),
    "other golden answers": ("golden.npz", OTHER_GOLDEN),
    "no answers": ("answers.npz", None),
    "a pickle": ("answers.npz", lambda _: np.array([{}], dtype=object)),
    "other answers": ("answers.npz", lambda array: array + 0.002),
    "answers that are no numbers": ("answers.npz", lambda array: array * np.nan),
    "fewer answers": ("answers.npz", lambda array: array[1:]),
}


@pytest.mark.parametrize("lie", LIES)
def test_invalid_output_is_refused_and_the_previous_bundle_stays(
    tiny_bundle: Bundle, fake_worker: Worker, export: Path, temporary: Path, lie: str
) -> None:
    fake_worker(replace(*LIES[lie]))
    with pytest.raises(LoupeError):
        import_export(export, "tiny")
    assert load("tiny").bundle == tiny_bundle
    assert {path.name for path in tiny_bundle.folder.parent.iterdir()} == {
        "current",
        tiny_bundle.version,
    }
    assert list(temporary.iterdir()) == []


def test_failure_of_the_worker_is_named(fake_worker: Worker, export: Path) -> None:
    refusal = {"message": "It is \x1b[31mred", "foreign": False, "stage": "loading"}

    def refuse(out: Path) -> None:
        (out / "refusal.json").write_text(json.dumps(refusal))

    fake_worker(refuse, status=1)
    with pytest.raises(ExportRefused, match=r"^It is \\x1b\[31mred$"):
        import_export(export, "own")
    for status, sentence in (
        (-9, "ended by SIGKILL.*memory.*Installed here: python"),
        (3, "exit status 3"),
    ):
        fake_worker(status=status)
        with pytest.raises(ExportRefused, match=sentence):
            import_export(export, "own")


def test_unexpected_exceptions_get_a_hint() -> None:
    def foreign(message: str, stage: str = "loading") -> str:
        refusal = {"message": message, "foreign": True, "stage": stage}
        return str(worker_refused(json.dumps(refusal).encode()))

    text = foreign("AttributeError: 'Resize' object has no attribute 'mode'")
    assert text.startswith("It couldn't be loaded here: AttributeError: 'Resize'")
    assert "Installed here: python 3." in text
    assert "learn.export() again" in text
    assert "couldn't be compiled here: boom. Its network" in foreign("boom", "compiling")
    assert "Most exports need about 2 GB" in foreign(
        "RuntimeError: DefaultCPUAllocator: can't allocate memory"
    )
    assert "invalid report" in str(worker_refused(b"[]"))
    assert "invalid report" in str(worker_refused(b"{"))
    assert "SIGSEGV" in str(worker_ended(-11))
    assert "signal 99" in str(worker_ended(-99))


def test_fatal_finding_is_refused_before_conversion(
    export: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "run", lambda *_, **__: pytest.fail("it was run"))
    problems = (Finding.of("a", "It is cut short."), Finding.of("b", "A note.", fatal=False))
    changed = REPORT.model_copy(update={"problems": problems})
    monkeypatch.setattr(importer, "inspect_export", lambda path: changed)
    with pytest.raises(ExportRefused, match="^It is cut short.$"):
        import_export(export, "own")
    with pytest.raises(LoupeError, match="^name: "):
        import_export(export, "../own")


def test_photos_that_fastai_opens_differently_are_left_out(tmp_path: Path) -> None:
    folder, room = tmp_path / "photos", tmp_path / "room"
    folder.mkdir()
    room.mkdir()
    upright = encoded(drawn(80, 60), exif=turned(1))
    (folder / "upright.jpg").write_bytes(upright)
    (folder / "turned.jpg").write_bytes(encoded(drawn(80, 60), exif=turned(6)))
    (folder / "broken.jpg").write_bytes(upright[:300])
    drawn(40, 40).save(folder / "grey.png")
    Image.new("L", (30, 30)).save(folder / "l.png")
    Image.new("RGBA", (30, 30)).save(folder / "clear.png")
    (folder / "wrong.png").write_bytes(b"no photo")
    gathered = gather_photos(folder, room)
    assert gathered.names == ("grey.png", "l.png", "upright.jpg")
    assert gathered.left_out == 4
    assert [path.suffix for path in gathered.files] == [".png", ".png", ".jpeg"]
    for name in ("grey.png", "l.png", "upright.jpg"):
        (folder / name).unlink()
    with pytest.raises(ExportRefused, match="has no photo to compare on"):
        gather_photos(folder, room)


def test_command_prints_the_model(
    fake_worker: Worker, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_worker()
    result = run("import", export, "--name", "own")
    assert result.exit_code == 0
    folder = load("own").bundle.folder
    lines = result.stdout.splitlines()
    assert re.match(
        "in browsers: server only, since Loupe's kernels lack .* npm is needed", lines.pop(3)
    )
    assert re.match("not calibrated, .* python -m model calibrate own FOLDER$", lines.pop(3))
    assert lines == [
        f"own {folder.name} in {folder}",
        "6 labels: red, green, blue, yellow, white, black",
        "engines: compiled",
        "Visitors of the app now see own first. LOUPE_MODEL=tiny keeps tiny.",
        "see it: make run, or python -m model identify --model own PHOTO",
    ]
    stages = [f"{number}/5 {name}" for number, name in enumerate(STAGES.values(), 1)]
    assert [line for line in result.stderr.splitlines() if line in stages] == stages
    assert "at most" in result.stderr
    assert load("own").bundle.manifest.title == "Own"
    # If another model opens first, the line names the command that shows this one.
    monkeypatch.setenv("LOUPE_MODEL", "tiny")
    settings.cache_clear()
    result = run("import", export, "--name", "own")
    assert "Visitors" not in result.stdout
    assert result.stdout.splitlines()[-1] == (
        "see it: LOUPE_MODEL=own make run, or python -m model identify --model own PHOTO"
    )


def test_refusal_names_the_photo_that_differs_and_exits_with_2(
    fake_worker: Worker, export: Path
) -> None:
    def change(array: Any) -> Any:
        array[3, 2] += 0.05
        return array

    fake_worker(replace("answers.npz", change))
    result = run("import", export, "--name", "own")
    assert result.exit_code == 2
    message = "Error: Loupe would answer differently from fastai: for the photo astronaut a"
    assert f"{message} probability differs by 0.05" in result.stderr


@pytest.mark.parametrize("trusting", [[], ["--trust"]], ids=["untrusted", "trusted"])
def test_hostile_file_is_not_run_even_if_trusted(
    trusting: list[str], tmp_path: Path, data_folder: Path, temporary: Path
) -> None:
    """Tests of the reader inspect files of all kinds; this one runs the command on one."""
    path, marker = tmp_path / "hostile.pkl", tmp_path / "marker"
    path.write_bytes(calls(marker)["in-a-learner"])
    assert run("import", path, "--name", "own", *trusting).exit_code == 2
    assert not marker.exists()
    assert list(temporary.iterdir()) == []
    assert not (data_folder / "models" / "own").exists()


def test_model_sensitive_to_scaled_decoding_decodes_in_full(
    fake_worker: Worker, export: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_worker()
    # Lines of one pixel, which every resizing filter changes differently.
    folder = tmp_path / "lines"
    folder.mkdir()
    lines = np.zeros((1200, 1200, 3), np.uint8)
    lines[::2] = (255, 0, 0)
    Image.fromarray(lines).save(folder / "lines.jpg", quality=95, subsampling=0)
    progress = RecordedProgress()
    monkeypatch.setattr("model.importing.convert.parity.TOLERANCE", 1e-7)
    imported = import_export(export, "own", photos=folder, progress=progress)
    assert any("decodes them in full" in line for line in progress.notes)
    assert imported.bundle.manifest.recipe.decoding == "whole"
    assert imported.parity.difference <= 1e-7
