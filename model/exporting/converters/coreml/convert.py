"""Convert a bundle's network to Core ML: convert.py LOUPE BUNDLE PIXELS.npy RESULT.

Prints, as JSON, the structure of the result and the probabilities of the converted program.
"""

import json
import sys
from pathlib import Path

import coremltools as ct
import numpy as np
import torch
from torch import nn


class ImageClassifier(nn.Module):
    """The network with normalisation and temperature.

    Takes an RGB image, float32 [1, 3, height, width] from 0 to 255; returns probabilities
    [1, labels].
    """

    def __init__(self, module, temperature, multilabel):
        super().__init__()
        self.module, self.temperature, self.multilabel = module, temperature, multilabel

    def forward(self, image):
        """See the class."""
        logits = self.module(image.permute(0, 2, 3, 1))[0] / self.temperature
        return logits.sigmoid() if self.multilabel else logits.softmax(dim=1)


def main(loupe, bundle_dir, pixels, result):
    """Write the model package."""
    sys.path.insert(0, loupe)
    from model.bundle import Bundle
    from model.learner.inference_module import InferenceModule
    from model.learner.rebuild import rebuild

    bundle = Bundle.open(Path(bundle_dir))
    manifest = bundle.manifest
    module = InferenceModule.from_model(rebuild(bundle).model, manifest)
    temperature = manifest.calibration.temperature if manifest.calibration else 1.0
    classifier = ImageClassifier(module, temperature, manifest.multilabel).eval()
    images = torch.from_numpy(np.load(pixels)).permute(0, 3, 1, 2).float().contiguous()
    program = torch.export.export(classifier, (images[:1],)).run_decompositions({})
    with torch.inference_mode():
        rows = [program.module()(image[None])[0].tolist() for image in images]
    model = ct.convert(
        program,
        inputs=[
            ct.ImageType("image", images[:1].shape, color_layout=ct.colorlayout.RGB),
        ],
        classifier_config=ct.ClassifierConfig(list(manifest.labels)),
        minimum_deployment_target=ct.target.iOS16,
        # Half precision would change answers.
        compute_precision=ct.precision.FLOAT32,
    )
    model.author, model.version = "Loupe", bundle.version
    model.license = manifest.licence
    model.short_description = manifest.title
    model.save(result)
    print(json.dumps({"structure": describe(result), "probabilities": rows}))


def describe(path):
    """Return the inputs, outputs and metadata of a saved model package."""
    description = ct.utils.load_spec(path).description
    (image,) = description.input
    kind = image.type.imageType
    return {
        "input": [image.name, kind.width, kind.height],
        "is_rgb": kind.colorSpace == kind.RGB,
        "outputs": sorted(output.name for output in description.output),
        "label": description.predictedFeatureName,
        "probabilities": description.predictedProbabilitiesName,
        "version": description.metadata.versionString,
        "labels": class_labels(path),
    }


def class_labels(path):
    """Return the labels that a saved model package names, in the network's order."""
    (function,) = ct.utils.load_spec(path).mlProgram.functions.values()
    operations = function.block_specializations[function.opset].operations
    (classify,) = (operation for operation in operations if operation.type == "classify")
    entries = classify.inputs["classes"].arguments[0].value.immediateValue.list.values
    return [entry.immediateValue.tensor.strings.values[0] for entry in entries]


if __name__ == "__main__":
    main(*sys.argv[1:])
