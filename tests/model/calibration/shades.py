"""Photos for ``calibrate`` on the model of colours."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.model.tiny import COLOURS


def shades(folder: Path, count: int = 12, spread: float = 60) -> Path:
    """Photos of each colour, more or less of it."""
    random = np.random.default_rng(0)
    for name, middle in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for place in range(count):
            shade = np.clip(random.normal(middle, spread), 0, 255).astype(int)
            Image.new("RGB", (40 + place, 40), tuple(shade)).save(folder / name / f"{place}.png")
    return folder
