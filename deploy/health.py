"""``python -m deploy.health``: exit with 0 if the app in this container is ready.

Docker runs it every 30 seconds, so it imports only the standard library.
"""

import os
import sys
from urllib.request import urlopen

READY_PATH = "/api/ready"


def get_port() -> str:
    """Return the port that ``entrypoint.sh`` chooses when called without ``serve``."""
    return os.environ.get("AIP_HTTP_PORT") or os.environ.get("PORT") or "8501"


def main() -> None:
    """Send one request; errors go to stderr, which ``docker inspect`` shows."""
    try:
        with urlopen(f"http://127.0.0.1:{get_port()}{READY_PATH}", timeout=4):
            pass
    except OSError as error:
        sys.exit(f"Not ready: {error}")


if __name__ == "__main__":
    main()
