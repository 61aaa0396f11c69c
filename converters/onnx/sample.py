"""Name what is on a photo: python sample.py photo.jpg."""

import json
import sys
from pathlib import Path

import onnxruntime
from answer import print_answer
from preprocess import read_pixels

FOLDER = Path(__file__).parent


def main(photo):
    """Print the answer for a photo's file."""
    config = json.loads((FOLDER / "config.json").read_text("utf-8"))
    session = onnxruntime.InferenceSession(FOLDER / "graph.onnx")
    names = [output.name for output in session.get_outputs()]
    # Any number of photos at once: uint8 [N, height, width, 3].
    pixels = read_pixels(photo, config["recipe"])[None]
    outputs = dict(zip(names, session.run(names, {"pixels": pixels}), strict=True))
    novelty = outputs["novelty"].ravel()[0] if "novelty" in outputs else None
    print_answer(config, outputs["probabilities"][0], novelty)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
