"""``make phone``: the app over https on the local network, so that phones allow the camera.

The certificate comes from an authority of this machine's own (``ui.local_ca``). A second address,
over plain http, shows how to trust it on a phone.
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

from deploy.ports import free_port
from model.errors import SettingRefused
from model.settings import ROOT, settings
from ui.local_ca import LocalCa, is_private, open_local_ca
from ui.serve import fetch_runtime, first_model, network_address, print_qr_code, run_server

__all__ = ["CA_PATH", "main", "serving_instructions"]

CA_PATH = "/loupe-ca.crt"
CA_TYPE = "application/x-x509-ca-cert"
"""Media type for which phones offer to install a certificate."""

# The page comes over plain http, so it doesn't state the certificate's SHA-256: whoever replaced
# the certificate would replace that as well.
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Loupe on your phone</title>
<style>
:root {{ color-scheme: light dark; font: 18px/1.5 system-ui, sans-serif; }}
body {{ max-width: 36em; margin: 0 auto; padding: 16px; overflow-wrap: anywhere; }}
a {{ display: inline-block; min-height: 32px; }}
</style>
<h1>Loupe on your phone</h1>
<p>A phone allows the live camera only on pages that it trusts. Install this computer's certificate
once; it is valid for addresses of local networks alone.</p>
<h2>1. Download the certificate</h2>
<p><a href="{ca_path}">Certificate of this computer</a></p>
<h2>2. Trust it</h2>
<h3>iPhone, iPad</h3>
<ol>
<li>In Settings, tap <i>Profile Downloaded</i>, then <i>Install</i>.</li>
<li>In Settings › General › About › Certificate Trust Settings, switch on <i>{name}</i>.</li>
</ol>
<h3>Android</h3>
<ol>
<li>In Settings, search for <i>CA certificate</i>, tap <i>Install anyway</i> and choose
<i>loupe-ca.crt</i>.</li>
</ol>
<p>In the certificate's details on the phone, compare its SHA-256 with the one on the computer's
screen. If they differ, somebody on this network replaced it: remove it.</p>
<p>The names differ between phones. These steps are from the makers' help pages; nobody has tried
them on a phone yet.</p>
<h2>3. Open the app</h2>
<p><a href="{app}">{app}</a></p>
<h2>Afterwards</h2>
<p>Remove the certificate where you installed it, if you don't need it any more: whoever gets this
computer's key could pretend to be another device on your network.</p>
</html>
"""


def main() -> None:
    """Run the app over https until Ctrl-C; exit with 1 if this network doesn't allow it."""
    parser = argparse.ArgumentParser(prog="python -m ui.phone", description=__doc__)
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
    fetch_runtime()
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
    text = network_address()
    if text is None:
        raise SystemExit("This computer isn't on a network. Join the phone's Wi-Fi and try again.")
    address = IPv4Address(text)
    if not is_private(address):
        raise SystemExit(
            f"{address} isn't an address of a private network, and certificates are only made for "
            "those. 'make share' gives the app a public https address."
        )
    return address


@contextmanager
def serving_instructions(ca: LocalCa, address: IPv4Address, port: int, app: str) -> Iterator[None]:
    """Serve the page with the steps, and the certificate, while the block runs.

    Args:
        ca: the authority to trust.
        address: address to listen on.
        port: port to listen on.
        app: the app's URL.
    """
    name = ca.certificate.subject.rfc4514_string().removeprefix("CN=")
    page = PAGE.format(ca_path=CA_PATH, name=escape(name), app=escape(app)).encode()
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
