"""The answer of a model for a photo's file, in words."""

import json
import sys
from pathlib import Path

from preprocess import read_pixels

FOLDER = Path(__file__).parent
TOP = 3


def main(run):
    """Print the answer for the photo that the command line names.

    Args:
        run: returns the outputs by name, each of one row per photo, for pixels
            uint8 [1, height, width, 3].
    """
    if len(sys.argv) != 2:
        sys.exit("Usage: python sample.py photo.jpg")
    config = json.loads((FOLDER / "config.json").read_text("utf-8"))
    outputs = run(read_pixels(sys.argv[1], config["recipe"])[None])
    novelty = outputs["novelty"].ravel()[0] if "novelty" in outputs else None
    print_answer(config, outputs["probabilities"][0], novelty)


def print_answer(config, probabilities, novelty=None):
    """Print the likeliest labels, or that the photo shows none of them.

    Of a model with several labels per photo: all that reach its threshold.

    Args:
        config: config.json.
        probabilities: one for each label.
        novelty: the OOD score; None if the model has none.
    """
    threshold = (config["calibration"] or {}).get("ood_threshold")
    is_unknown = novelty is not None and threshold is not None and novelty > threshold
    order = sorted(range(len(probabilities)), key=lambda index: -probabilities[index])
    shown = order[:TOP]
    if config["multilabel"]:
        # To six digits, as Loupe decides.
        present = [i for i in order if round(float(probabilities[i]), 6) >= config["threshold"]]
        shown, is_unknown = present or shown, is_unknown or not present
    if is_unknown:
        print("none of these; closest:")
    for index in shown:
        print(f"{probabilities[index]:6.1%}  {config['labels'][index]}")
