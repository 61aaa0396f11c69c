"""Work for many machines, in an environment of its own (``make scale``)."""

import os

# ONNX Runtime reports its use to Microsoft, unless this is set when it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
