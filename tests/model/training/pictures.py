"""Folders of drawn photos that a network can learn from in a second."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

LABELS = ("disc", "square")


def picture(label: str, seed: int, side: int = 80) -> Image.Image:
    """A disc or a square of some colour somewhere on a noisy ground."""
    random = np.random.default_rng(seed)
    ground = random.integers(90, 160, (side, side, 3), dtype=np.uint8)
    image = Image.fromarray(ground)
    left, top = random.integers(5, 30, 2)
    size = int(random.integers(30, 45))
    box = [int(left), int(top), int(left) + size, int(top) + size]
    colour = tuple(int(value) for value in random.integers(0, 256, 3))
    draw = ImageDraw.Draw(image)
    draw.ellipse(box, fill=colour) if label == "disc" else draw.rectangle(box, fill=colour)
    return image


def folder_of(folder: Path, count: int, first: int = 0, labels: tuple[str, ...] = LABELS) -> Path:
    """``count`` photos a label, as JPEG, in a folder a label."""
    for place, label in enumerate(labels):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image = picture(label, 10_000 * place + first + number)
            image.save(folder / label / f"{first + number}.jpg", quality=90)
    return folder


def parted(folder: Path, train: int = 30, held_out: int = 30) -> Path:
    """Folders ``train`` and ``validation``."""
    folder_of(folder / "train", train)
    folder_of(folder / "validation", held_out, 5000)
    return folder
