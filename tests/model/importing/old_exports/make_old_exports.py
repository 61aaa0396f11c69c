"""Make the exports of old fastai versions that tests read: ``make old-exports``.

Each version gets a throw-away environment below ``build/old-exports``, with a Python and a torch
of its time. Takes about ten minutes and 10 GB, most of it for torch's builds for GPUs.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
DATA = HERE / "data"
BUILD = Path("build/old-exports")

COMMON = (
    "pyyaml requests packaging scipy scikit-learn matplotlib<3.8 fastprogress<1.0.4 setuptools<70"
)
ENVIRONMENTS: dict[str, tuple[str, str]] = {
    # Oldest first. The first needs IPython, and has no timm of its time that it could use.
    "2.0.0": (
        "3.8",
        "torch==1.6.0 torchvision==0.7.0 fastcore==1.0.0 pandas<2 pillow<8 numpy<1.20 ipython<8",
    ),
    "2.5.6": (
        "3.8",
        """torch==1.11.0 torchvision==0.12.0 fastcore<1.5 fastdownload timm==0.4.12 pandas<2
        pillow<10 numpy<1.24""",
    ),
    "2.7.13": (
        "3.10",
        """torch==2.0.1 torchvision==0.15.2 fastcore==1.5.29 fastdownload timm==0.9.12 numpy<2
        pandas<2.2 pillow<11""",
    ),
}
"""Version of fastai, its Python, its packages. fastai itself is installed without spaCy."""


def run(*command: str | Path) -> None:
    """Run a command, or stop."""
    subprocess.run([str(word) for word in command], check=True)


def make(version: str, python: str, packages: str) -> None:
    """Write the exports of one version, and pack them."""
    place = BUILD / version
    uv, interpreter = str(Path(sys.executable).with_name("uv")), place / "venv/bin/python"
    run(uv, "venv", "--clear", "--python", python, place / "venv")
    install = (uv, "pip", "install", "--python", interpreter)
    run(*install, "--no-deps", f"fastai=={version}")
    run(*install, *COMMON.split(), *packages.split())
    out = place / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    run(interpreter, HERE / "write_exports.py", out)
    pack(DATA / f"fastai-{version}.tar.xz", sorted([*out.glob("*.pkl"), out / "predictions.json"]))
    pack(DATA / "photos.tar.xz", sorted((out / "photos").iterdir()))


def pack(path: Path, files: list[Path]) -> None:
    """Write files and folders into an archive."""
    with tarfile.open(path, "w:xz", preset=9) as archive:
        for file in files:
            archive.add(file, file.name)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for fastai_version, (python_version, listed) in ENVIRONMENTS.items():
        make(fastai_version, python_version, listed)
