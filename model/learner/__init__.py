"""The fastai learner of a bundle: rebuilt from its files, and as the module that becomes ONNX."""
