"""Make the exports of several fastai versions that tests read: ``make old-exports``.

Each version gets a throw-away environment below ``build/old-exports``, with a Python and a torch
of its time; uv downloads a Python that isn't installed. It is deleted once its exports are packed.
Takes about ten minutes and 10 GB, most of it for torch's builds for GPUs. ``VERSION=2.7.13`` makes
only those whose name starts so.

Made again on the same machine, photos, predictions and weights are the same byte for byte; learners
aren't, though they predict the same. So commit new archives only if predictions or kinds change.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
DATA = HERE / "data"
BUILD = Path("build/old-exports").resolve()

LABELS = ("owl", "cat", "dog")
SIZES = ((120, 90), (90, 120), (64, 64), (130, 70))

OLD_DEPENDENCIES = (
    "pyyaml requests packaging scipy scikit-learn matplotlib<3.8 fastprogress<1.0.4 setuptools<70"
)
LOCKED = f"-c {HERE.parents[3] / 'requirements-dev.txt'} timm safetensors"


@dataclass(frozen=True)
class Environment:
    """A version of fastai, its Python, and its packages as arguments of ``uv pip install``."""

    name: str
    fastai: str
    python: str
    packages: str
    with_dependencies: bool = False
    """Install all that fastai asks for; spaCy among it, which old versions can't install."""


ENVIRONMENTS = (
    # Oldest first. The first needs IPython, and has no timm of its time that it could use.
    Environment(
        "2.0.0",
        "2.0.0",
        "3.8",
        f"""torch==1.6.0 torchvision==0.7.0 fastcore==1.0.0 pandas<2 pillow<8 numpy<1.20 ipython<8
        {OLD_DEPENDENCIES}""",
    ),
    Environment(
        "2.5.6",
        "2.5.6",
        "3.8",
        f"""torch==1.11.0 torchvision==0.12.0 fastcore<1.5 fastdownload timm==0.4.12 pandas<2
        pillow<10 numpy<1.24 safetensors==0.5.3 {OLD_DEPENDENCIES}""",
    ),
    Environment(
        "2.7.13",
        "2.7.13",
        "3.10",
        f"""torch==2.0.1 torchvision==0.15.2 fastcore==1.5.29 fastdownload timm==0.9.12 numpy<2
        pandas<2.2 pillow<11 safetensors==0.5.3 {OLD_DEPENDENCIES}""",
    ),
    Environment(
        "2.8.12-python3.11",
        "2.8.12",
        "3.11",
        f"torch==2.13.0 torchvision==0.28.0 {LOCKED}",
        with_dependencies=True,
    ),
    Environment(
        "2.8.12-python3.13",
        "2.8.12",
        "3.13",
        f"torch==2.15.0 torchvision==0.29.2 {LOCKED}",
        with_dependencies=True,
    ),
)


def run(*command: str | Path, folder: Path | None = None) -> None:
    """Run a command, or stop."""
    subprocess.run([str(word) for word in command], check=True, cwd=folder)


def make(environment: Environment, photos: Path) -> None:
    """Write the exports of one version, and pack them."""
    place = BUILD / environment.name
    # Loupe's own settings of uv are for Loupe's Python.
    uv = (Path(sys.executable).with_name("uv"), "--no-config")
    interpreter = place / "venv/bin/python"
    run(*uv, "venv", "--no-project", "--clear", "--python", environment.python, place / "venv")
    install = (*uv, "pip", "install", "--python", interpreter)
    packages = environment.packages.split()
    if environment.with_dependencies:
        run(*install, f"fastai=={environment.fastai}", *packages)
    else:
        run(*install, "--no-deps", f"fastai=={environment.fastai}")
        run(*install, *packages)
    out = place / "out"
    shutil.rmtree(out, ignore_errors=True)
    # Relative paths keep this machine's folders out of the exports.
    shutil.copytree(photos, out / "photos")
    shutil.copy(HERE / "write_exports.py", out)
    run(interpreter, "write_exports.py", folder=out)
    written = (file for file in out.iterdir() if file.is_file() and file.suffix != ".py")
    pack(DATA / f"fastai-{environment.name}.tar.xz", sorted(written))
    shutil.rmtree(place)


def draw(folder: Path) -> None:
    """Write photos without random numbers, the same for all versions."""
    for number, label in enumerate(LABELS):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for index, (width, height) in enumerate(SIZES):
            y, x = np.mgrid[:height, :width]
            waves = [
                np.sin((x * (1 + channel) + y * (1 + number)) / (17.0 + 5 * index)) * 50
                + (60 + 25 * index + 60 * ((number + channel) % 3)) % 205
                for channel in range(3)
            ]
            # Few levels, which PNG compresses well.
            pixels = np.stack(waves, axis=-1).clip(0, 255).astype(np.uint8) // 8 * 8
            Image.fromarray(pixels).save(folder / label / f"{index}.png")


def pack(path: Path, files: list[Path]) -> None:
    """Write files and folders into an archive, without their dates and owner."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime = entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:xz", preset=9) as archive:
        for file in files:
            archive.add(file, file.name, filter=plain)


def main() -> None:
    """Make those that VERSION names, or all."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    photos = BUILD / "photos"
    draw(photos)
    pack(DATA / "photos.tar.xz", sorted(photos.iterdir()))
    for environment in ENVIRONMENTS:
        if environment.name.startswith(os.environ.get("VERSION", "")):
            make(environment, photos)


if __name__ == "__main__":
    main()
