"""Run a TensorFlow Lite file on pixels: run.py MODEL PIXELS.npy OUTPUTS.npz."""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main(model, pixels, outputs):
    """Write the outputs by name, [N, …], for pixels of N photos, run one by one."""
    runner = Interpreter(model).get_signature_runner()
    rows = [runner(pixels=photo[None]) for photo in np.load(pixels)]
    np.savez(outputs, **{name: np.concatenate([row[name] for row in rows]) for name in rows[0]})


if __name__ == "__main__":
    main(*sys.argv[1:])
