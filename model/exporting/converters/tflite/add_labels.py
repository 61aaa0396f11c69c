"""Add labels as metadata to a TensorFlow Lite file: add_labels.py MODEL LABELS.txt RESULT.

The file takes pixels and returns probabilities alone. MediaPipe's own writer of metadata can't be
imported in its release 1.2, so its schema is used here.
"""

import io
import sys
import zipfile
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tflite
from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata

ALIGNMENT_BYTES = 2**16


def main(model, labels, result):
    """Write the file with its labels."""
    data = Path(model).read_bytes()
    file = io.BytesIO(add_metadata(data, describe(Path(labels).name)))
    # Readers find the labels in a zip at the end of the file.
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        archive.write(labels, Path(labels).name)
    Path(result).write_bytes(file.getvalue())


def describe(labels):
    """Return the metadata: an RGB photo in, and the name of the file with its labels."""
    photo = metadata.TensorMetadataT(name="pixels", content=metadata.ContentT())
    photo.content.contentPropertiesType = metadata.ContentProperties.ImageProperties
    photo.content.contentProperties = metadata.ImagePropertiesT()
    photo.content.contentProperties.colorSpace = metadata.ColorSpaceType.RGB
    scores = metadata.TensorMetadataT(name="probabilities", content=metadata.ContentT())
    scores.content.contentPropertiesType = metadata.ContentProperties.FeatureProperties
    scores.content.contentProperties = metadata.FeaturePropertiesT()
    file = metadata.AssociatedFileT(name=labels)
    file.type = metadata.AssociatedFileType.TENSOR_AXIS_LABELS
    scores.associatedFiles = [file]
    graph = metadata.SubGraphMetadataT()
    graph.inputTensorMetadata, graph.outputTensorMetadata = [photo], [scores]
    return pack(metadata.ModelMetadataT(subgraphMetadata=[graph]), b"M001")


def add_metadata(data, description):
    """Return a TensorFlow Lite file's bytes with metadata in it."""
    model = tflite.ModelT.InitFromObj(tflite.Model.GetRootAs(data, 0))
    model.buffers.append(tflite.BufferT(data=np.frombuffer(description, np.uint8)))
    entry = tflite.MetadataT(name="TFLITE_METADATA", buffer=len(model.buffers) - 1)
    model.metadata = [*(model.metadata or []), entry]
    return pack(model, b"TFL3", len(data) + ALIGNMENT_BYTES)


def pack(table, identifier, size=0):
    """Return a table as a FlatBuffers file."""
    builder = flatbuffers.Builder(size)
    builder.Finish(table.Pack(builder), identifier)
    return bytes(builder.Output())


if __name__ == "__main__":
    main(*sys.argv[1:])
