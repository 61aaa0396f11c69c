"""Identify a photo: python sample.py photo.jpg."""

import sys
from pathlib import Path

from fastai.vision.all import PILImage, load_learner
from PIL import Image, ImageOps

FOLDER = Path(__file__).parent
TOP = 3


def main(photo):
    """Print the answer for a photo's file."""
    learner = load_learner(FOLDER / "export.pkl")
    # fastai itself doesn't turn photos that a phone took upright.
    image = PILImage(ImageOps.exif_transpose(Image.open(photo)).convert("RGB"))
    with learner.no_bar():
        probabilities = learner.predict(image)[2]
    values, indices = probabilities.topk(min(TOP, len(probabilities)))
    for value, index in zip(values, indices, strict=True):
        print(f"{value:6.1%}  {learner.dls.vocab[index]}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
