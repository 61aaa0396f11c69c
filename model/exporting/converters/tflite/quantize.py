"""Store the weights of a TensorFlow Lite file as int8: quantize.py MODEL RESULT.

Activations stay float32: also quantising them changes more answers.
"""

import sys

from litert_quantizer import quantizer, recipe


def main(model, result):
    """Write the file with 8-bit weights, one scale per output channel."""
    quantizer.Quantizer(model, recipe.weight_only_wi8_afp32()).quantize().export_model(result)


if __name__ == "__main__":
    main(*sys.argv[1:])
