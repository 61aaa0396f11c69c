"""A fastai export → a bundle.

    report ─► worker process: network, transforms, ONNX ─► parity ─► registry

The worker hands over JSON, safetensors, ONNX and NumPy arrays, which are checked as untrusted.
"""
