"""``python -m deploy.health``: exit 0 when the app in this container is ready.

What Docker runs every half minute, so it imports nothing but Python's own.
"""

import os
import sys
from urllib.request import urlopen

__all__ = ["main", "port"]

READY = "/api/ready"


def port() -> str:
    """The port that ``entrypoint.sh`` chooses when it is called without ``serve``."""
    return os.environ.get("AIP_HTTP_PORT") or os.environ.get("PORT") or "8501"


def main() -> None:
    """Ask once; what is wrong goes to stderr, where ``docker inspect`` shows it."""
    try:
        with urlopen(f"http://127.0.0.1:{port()}{READY}", timeout=4):
            pass
    except OSError as error:
        sys.exit(f"Not ready: {error}")


if __name__ == "__main__":
    main()
