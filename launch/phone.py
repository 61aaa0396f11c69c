"""``make phone``: the app over https on the local network, so that phones allow the camera.

The certificate comes from an authority of this machine's own (``launch.local_ca``). A second
address, over plain http, shows how to trust it on a phone.
"""

import argparse
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from string import Template

from deploy.client import free_port
from launch.local_ca import LocalCa, is_private, open_local_ca
from launch.serve import check_hosts, first_model, network_address, print_qr_code, run_server
from model.errors import SettingRefused
from model.settings import ROOT, settings

CA_PATH = "/loupe-ca.crt"
CA_TYPE = "application/x-x509-ca-cert"
"""Media type for which phones offer to install a certificate."""

# Sent over plain http, the page doesn't state the certificate's SHA-256: whoever replaced the
# certificate would replace that as well.
PAGE = Template((ROOT / "ui" / "phone.html").read_text(encoding="utf-8"))


def main() -> None:
    """Run the app over https until Ctrl-C; exit with 1 if this network doesn't allow it."""
    parser = argparse.ArgumentParser(prog="python -m launch.phone", description=__doc__)
    parser.add_argument("--port", type=int, default=8501, help="first port to try")
    arguments = parser.parse_args()
    try:
        address = _private_address()
        ca = open_local_ca(settings().data / "phone")
        certificate, key = ca.issue(address)
        port = free_port(arguments.port)
        page_port = free_port(port + 1)
    except SettingRefused as error:
        raise SystemExit(f"{error.code}: {error}") from None
    except OSError as error:
        raise SystemExit(f"{error}") from error
    check_hosts()
    app, page = f"https://{address}:{port}", f"http://{address}:{page_port}"
    with serving_instructions(ca, address, page_port, app):
        print(f"\n  Loupe on this network:  {app}")
        print(f"  opens with:             {first_model()}")
        print(f"\n  First, once for each phone: {page}\n")
        print_qr_code(page)
        print(
            "  Scan this with your phone: the page shows how to trust this computer's\n"
            "  certificate.\n"
            f"  Its SHA-256: {ca.fingerprint}\n"
        )
        sys.stdout.flush()
        os.chdir(ROOT)
        run_server(port, f"--server.sslCertFile={certificate}", f"--server.sslKeyFile={key}")


def _private_address() -> IPv4Address:
    """Return this machine's address on a private network, or exit with the reason."""
    address = network_address()
    if address is None:
        raise SystemExit("This computer isn't on a network. Join the phone's Wi-Fi and try again.")
    if not is_private(IPv4Address(address)):
        raise SystemExit(
            f"{address} isn't an address of a private network, and certificates are only made for "
            "those. 'make share' gives the app a public https address."
        )
    return IPv4Address(address)


@contextmanager
def serving_instructions(ca: LocalCa, address: IPv4Address, port: int, app: str) -> Iterator[None]:
    """Serve the page with the steps to trust ``ca`` and open ``app``, while the block runs."""
    name = ca.certificate.subject.rfc4514_string().removeprefix("CN=")
    page = PAGE.substitute(ca_path=CA_PATH, name=escape(name), app=escape(app)).encode()
    files = {"/": ("text/html; charset=utf-8", page), CA_PATH: (CA_TYPE, ca.der)}

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            kind, body = files.get(self.path, ("text/plain", b"Not found"))
            self.send_response(200 if self.path in files else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing: the terminal shows the addresses."""

    server = ThreadingHTTPServer((str(address), port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
