"""Compare the model on this Mac with Loupe: python compare.py.

Runs Model.mlpackage on the images of expected.npz and prints how far its probabilities are from
those recorded there. Needs macOS 13 or later: python -m pip install coremltools pillow numpy.
"""

import json
import sys
from pathlib import Path

import coremltools as ct
import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent
TOLERANCE = 1e-3


def main():
    """Print the comparison; exit with 1 if a probability differs by more than ``TOLERANCE``."""
    labels = json.loads((FOLDER / "config.json").read_text("utf-8"))["labels"]
    model = ct.models.MLModel(str(FOLDER / "Model.mlpackage"))
    name = model.get_spec().description.predictedProbabilitiesName
    expected = np.load(FOLDER / "expected.npz")
    rows = []
    for pixels in expected["pixels"]:
        outputs = model.predict({"image": Image.fromarray(pixels)})[name]
        rows.append([outputs[label] for label in labels])
    difference = float(np.abs(np.array(rows) - expected["probabilities"]).max())
    same = np.argmax(rows, axis=1) == expected["probabilities"].argmax(axis=1)
    print(f"{len(rows)} images: the same top label on {same.sum()}")
    print(f"Largest difference of a probability: {difference:.2g} (allowed: {TOLERANCE:g})")
    sys.exit(0 if difference <= TOLERANCE else 1)


if __name__ == "__main__":
    main()
