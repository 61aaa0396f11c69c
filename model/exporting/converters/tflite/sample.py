"""Identify a photo: python sample.py photo.jpg."""

from ai_edge_litert.interpreter import Interpreter
from answer import FOLDER, main


def run(pixels):
    """Return the outputs by name for one photo: uint8 [1, height, width, 3]."""
    runner = Interpreter(str(FOLDER / "model.tflite")).get_signature_runner()
    return runner(pixels=pixels)


if __name__ == "__main__":
    main(run)
