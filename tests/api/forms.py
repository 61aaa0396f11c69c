"""Forms with the expected result of each: a photo's label, or the code of the error."""

import base64
import gzip
from collections.abc import Mapping

from tests.api.raw import form
from tests.model.tiny import colour
from tests.photos import encoded

__all__ = ["FORMS", "GOOD", "KIND", "RED"]

RED = encoded(colour("red"), "PNG")
NAMED = b'Content-Disposition: form-data; name="photo"; filename="red.png"'
KIND = b"Content-Type: multipart/form-data; boundary=x"

READ, EMPTY, HALF, OTHER = "red", "empty", "damaged", "unsupported-format"
BROKEN, MISSING, INVALID = "malformed", "missing", "invalid"


def part(*head: bytes, content: bytes = RED) -> bytes:
    """Return a part with these header lines and this content."""
    return b"\r\n".join(head) + b"\r\n\r\n" + content


def field(name: bytes, content: bytes = b"") -> bytes:
    """Return a part that is not a file."""
    return part(b'Content-Disposition: form-data; name="%s"' % name, content=content)


def _named(old: bytes, new: bytes) -> bytes:
    return NAMED.replace(old, new)


def _photo(content: bytes) -> bytes:
    return part(NAMED, content=content)


GOOD = form(_photo(RED))
END = b"\r\n--x--\r\n"
INNER = form(_photo(RED), boundary=b"y")
MB = 2**20

# Text after "multipart/form-data" in Content-Type, sent with a valid form.
KINDS: Mapping[str, tuple[bytes, str]] = {
    "no boundary": (b"", BROKEN),
    "only a semicolon": (b";", BROKEN),
    "a boundary without a value": (b"; boundary", BROKEN),
    "an empty boundary": (b"; boundary=", BROKEN),
    "an empty quoted boundary": (b'; boundary=""', BROKEN),
    "half a quote": (b'; boundary="x', BROKEN),
    "another boundary": (b"; boundary=y", BROKEN),
    "a boundary in capitals": (b"; boundary=X", BROKEN),
    "a boundary of 10 kB": (b"; boundary=" + b"x" * 10_000, BROKEN),
    "a boundary of encoded CR and LF": (b"; boundary=%0d%0a", BROKEN),
    "a boundary of other bytes": (b"; boundary=\xff\xfe", BROKEN),
    "a boundary by RFC 2231": (b"; boundary*=utf-8''x", BROKEN),
    "a boundary in pieces": (b"; boundary*0=x", BROKEN),
    "two boundaries, the last one wrong": (b"; boundary=x; boundary=y", BROKEN),
    "two boundaries, the last one right": (b"; boundary=y; boundary=x", READ),
    "a thousand parameters": (b"; a=b" * 1000 + b"; boundary=x", READ),
    "a kind that begins alike": (b"x; boundary=x", MISSING),
    "two kinds": (b", image/png; boundary=x", MISSING),
    "a codec that decodes nothing": (b"; boundary=x; charset=undefined", BROKEN),
    **{
        f"charset {name[:20]!r}": (b"; boundary=x; charset=" + name, READ)
        for name in (
            *b"utf-7 utf-16 utf-32 base64 rot13 zlib idna unicode_escape ..\\x aliases".split(),
            b"\xff" * 50,
            b"a" * 10_000,
        )
    },
}

# Header lines of the only part.
HEADS: Mapping[str, tuple[tuple[bytes, ...], str]] = {
    "no headers": ((), BROKEN),
    "no colon": ((_named(b":", b""),), BROKEN),
    "no name of a header": ((b": form-data",), BROKEN),
    "a space before the colon": ((_named(b":", b" :"),), BROKEN),
    "no name": ((b'Content-Disposition: form-data; filename="a"',), BROKEN),
    "nothing but form-data": ((b"Content-Disposition: form-data",), BROKEN),
    "an empty disposition": ((b"Content-Disposition:",), BROKEN),
    "half a quote": ((b'Content-Disposition: form-data; name="photo; filename="a',), MISSING),
    "an attachment": ((_named(b"form-data", b"attachment"),), READ),
    "an empty name": ((_named(b"photo", b""),), READ),
    "two dispositions": ((NAMED, NAMED), READ),
    "two names": ((NAMED + b'; name="top"',), READ),
    "two file names": ((NAMED + b'; filename="b"',), READ),
    "a header of 1 MB": ((NAMED, b"A: " + b"b" * MB), BROKEN),
    "a header's name of 1 MB": ((NAMED, b"A" * MB + b": b"), BROKEN),
    "a file name of 1 MB": ((_named(b"red", b"r" * MB),), BROKEN),
    "10,000 headers": ((NAMED, *[b"A: b"] * 10_000), BROKEN),
    "NUL in a header": ((NAMED, b"A: \0"), READ),
    "NUL in a header's name": ((NAMED, b"A\0: b"), BROKEN),
    "NUL in the file's name": ((_named(b"red", b"r\0d"),), READ),
    "CR in a header": ((NAMED, b"A: b\rC: d"), BROKEN),
    "LF in a header": ((NAMED, b"A: b\nC: d"), READ),
    "LF in the file's name": ((_named(b"red", b"r\nd"),), READ),
    "a folded header": ((NAMED, b" more"), BROKEN),
    "other bytes in a header": ((NAMED, b"A: \xff\xfe"), READ),
    "other bytes in a header's name": ((NAMED, b"\xff: b"), BROKEN),
    "other bytes in the file's name": ((_named(b"red", b"\xff\xfe"),), READ),
    "a path as the file's name": ((_named(b"red.png", b"../../etc/passwd"),), READ),
    "a form in the form": ((NAMED, b"Content-Type: multipart/mixed; boundary=y"), READ),
    "a kind that is none": ((NAMED, b"Content-Type: \xff/;;;="), READ),
    "another kind": ((NAMED, b"Content-Type: text/html; charset=utf-16"), READ),
    "a negative length": ((NAMED, b"Content-Length: -5"), READ),
    "a length that lies": ((NAMED, b"Content-Length: 99999999999"), READ),
    # RFC 7578 has no transfer encoding: the bytes as sent are the photo.
    "a transfer encoding": ((NAMED, b"Content-Transfer-Encoding: base64"), READ),
    "a transfer encoding that is none": ((NAMED, b"Content-Transfer-Encoding: \xff"), READ),
    "filename and filename*": ((NAMED + b"; filename*=utf-16''%ff",), READ),
    # RFC 7578 has no extended syntax either: a part without a plain file name is not a file.
    **{
        f"file name {value!r}": (
            (b'Content-Disposition: form-data; name="photo"; filename' + value,),
            MISSING,
        )
        for value in (
            b"*=utf-8''a.png",
            b"*=utf-8''%ff%fe",
            b"*=rot13''a.png",
            b"*=undefined''%00",
            b"*=''",
            b"*=utf-8",
            b"*=",
            b'*0="a"; filename*1=".png"',
        )
    },
}

BODIES: Mapping[str, tuple[bytes, str]] = {
    "nothing": (b"", MISSING),
    "a line": (b"\r\n", MISSING),
    "only the end": (b"--x--\r\n", MISSING),
    "only a boundary": (b"--x\r\n", MISSING),
    "only dashes": (b"--" * 10_000, BROKEN),
    "10,000 boundaries": (b"--x\r\n" * 10_000, BROKEN),
    "no blank line": (b"--x\r\n" + NAMED + b"\r\n" + RED + END, BROKEN),
    "LF for CRLF": (GOOD.replace(b"\r\n", b"\n"), BROKEN),
    "CR for CRLF": (GOOD.replace(b"\r\n", b"\r"), BROKEN),
    "a boundary without dashes": (GOOD[2:], BROKEN),
    "words before the first boundary": (b"hello\r\n" + GOOD, BROKEN),
    "lines before the first boundary": (b"\r\n" * 1000 + GOOD, READ),
    "words behind the end": (GOOD + b"0" * MB, READ),
    "a second form behind the end": (GOOD + GOOD, READ),
    "spaces behind a boundary": (GOOD.replace(b"--x\r\n", b"--x \t\r\n"), BROKEN),
    "never closed": (GOOD.removesuffix(END), MISSING),
    "closed by another boundary": (GOOD.removesuffix(END) + b"\r\n--y--\r\n", MISSING),
    "a part without an end": (b"--x\r\n" + _photo(b"0" * MB), MISSING),
    "10,000 empty parts": (form(*[b""] * 10_000), BROKEN),
    "10,000 parts without a content": (form(*[part(content=b"")] * 10_000), BROKEN),
    "10,000 empty files": (form(*[_photo(b"")] * 10_000), BROKEN),
    "10,000 fields": (form(*[field(b"top", b"1")] * 10_000), BROKEN),
    "21 fields": (form(*[field(b"a")] * 21, _photo(RED)), BROKEN),
    "a field of 1 MB": (form(field(b"a", b"0" * MB), _photo(RED)), BROKEN),
    "a field's name of 1 MB": (form(field(b"a" * MB), _photo(RED)), BROKEN),
    "two photos": (form(_photo(RED), _photo(RED)), BROKEN),
    "a photo and an empty file": (form(_photo(RED), _photo(b"")), BROKEN),
    "the photo as a field": (form(field(b"photo", RED)), MISSING),
    "a field as a file": (form(part(_named(b"photo", b"top"), content=b"1")), OTHER),
    "a field twice": (form(field(b"top", b"0"), field(b"top", b"2"), _photo(RED)), READ),
    "NUL as a field": (form(field(b"top", b"\0"), _photo(RED)), INVALID),
    "other bytes as a field": (form(field(b"model", b"\xff\xfe"), _photo(RED)), INVALID),
    "a list as a field": (form(field(b"explain", b"[]"), _photo(RED)), INVALID),
    "a path as a field": (form(field(b"model", b"../../etc/passwd"), _photo(RED)), INVALID),
    "an empty photo": (form(_photo(b"")), EMPTY),
    "half a photo": (form(_photo(RED[:60])), HALF),
    "a page as the photo": (form(_photo(b"<script>alert(1)</script>")), OTHER),
    "the photo in base64": (form(_photo(base64.b64encode(RED))), OTHER),
    "a form as the photo": (form(_photo(INNER)), OTHER),
    "a form as a field": (form(field(b"photo", INNER)), MISSING),
    "a form in gzip": (gzip.compress(GOOD, mtime=0), BROKEN),
    "a form in base64": (base64.b64encode(GOOD), BROKEN),
    "a form in UTF-16": (GOOD.decode("latin-1").encode("utf-16"), BROKEN),
    "nulls before the first boundary": (bytes(100) + GOOD, BROKEN),
    "every byte": (bytes(range(256)) * 40, BROKEN),
    "an address's parameters": (b"photo=1&top=2", BROKEN),
    "JSON": (b'{"photo": 1}', BROKEN),
    "1 MB of NUL": (bytes(MB), BROKEN),
    "nearly boundaries": (form(_photo(b"\r\n--" * 2**18)), OTHER),
}

FORMS: Mapping[str, tuple[bytes, bytes, str]] = {
    **{
        f"kind: {name}": (GOOD, b"Content-Type: multipart/form-data" + kind, outcome)
        for name, (kind, outcome) in KINDS.items()
    },
    **{
        f"head: {name}": (form(part(*head)), KIND, outcome)
        for name, (head, outcome) in HEADS.items()
    },
    **{f"body: {name}": (body, KIND, outcome) for name, (body, outcome) in BODIES.items()},
}
"""By name: a body, its Content-Type, and ``red`` where a photo is read, else the code."""
