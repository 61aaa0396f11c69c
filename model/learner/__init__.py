"""The fastai learner of a bundle: rebuilding it, and the module that is exported to ONNX."""
