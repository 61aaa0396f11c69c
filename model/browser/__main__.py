"""``python -m model.browser``: what browsers load, made in an image's build."""

from ..bundle import list_public
from .device_files import device_dir, needs_runtime
from .page_files import compress_all
from .runtime import runtime_dir

for bundle in list_public():
    device_dir(bundle)
    if needs_runtime(bundle):
        runtime_dir()
compress_all()
