"""Swift and Kotlin: no compiler here, so at least their names must be the API's."""

import re
from typing import Any

import pytest

from tests.docs.parts import CLIENTS


def fields(described: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = described["components"]["schemas"][name]["properties"]
    return found


def swift(kind: str) -> dict[str, str]:
    """The stored properties of a struct in the Swift client, with their types."""
    text = (CLIENTS / "Loupe.swift").read_text(encoding="utf-8")
    body = re.search(rf"^( *)struct {kind}: [^{{]*\{{\n(.*?)\n\1\}}", text, re.M | re.S)
    assert body
    indent = body[1] + "    "
    return dict(re.findall(rf"^{indent}let (\w+): (.+)$", body[2], re.M))


def kotlin() -> dict[str, str]:
    """What the Kotlin client reads by name, with how it reads it."""
    text = (CLIENTS / "Loupe.kt").read_text(encoding="utf-8")
    return {name: how for how, name in re.findall(r"\.(get\w*|isNull)\(\"(\w+)\"\)", text)}


TYPES = {"String": "string", "Double": "number", "Bool": "boolean", "Int": "integer"}


def fits(wanted: str, schema: dict[str, Any]) -> bool:
    """Whether a Swift type decodes what a field is described as."""
    kinds = {one.get("type") for one in schema.get("anyOf", [schema])}
    if "null" in kinds and not wanted.endswith("?"):
        return False
    bare = wanted.rstrip("?")
    return ("array" if bare.startswith("[") else TYPES[bare]) in kinds


def test_swift_decodes_what_there_is(described: dict[str, Any]) -> None:
    answer = swift("Answer")
    # A label, a list or null become a list: its own decoding, which the next line looks at.
    assert answer.pop("answer") == "[String]"
    assert "decode(String.self, forKey: .answer)" in (CLIENTS / "Loupe.swift").read_text()
    known = fields(described, "Answer")
    assert answer.keys() == known.keys() - {"answer", "milliseconds", "explanation"}
    assert [name for name, kind in answer.items() if not fits(kind, known[name])] == []
    assert swift("Candidate").keys() == fields(described, "Candidate").keys()
    assert {name: TYPES[kind] for name, kind in swift("Candidate").items()} == {
        name: schema["type"] for name, schema in fields(described, "Candidate").items()
    }
    problem = problem_of(described)
    assert swift("Problem").keys() <= problem.keys()
    assert all(fits(kind, problem[name]) for name, kind in swift("Problem").items())


def test_kotlin_decodes_what_there_is(described: dict[str, Any]) -> None:
    read = kotlin()
    known = {
        **fields(described, "Answer"),
        **fields(described, "Candidate"),
        **problem_of(described),
    }
    assert read.keys() <= known.keys()
    wanted = fields(described, "Answer").keys() - {"milliseconds", "explanation"}
    assert read.keys() == wanted | {"label", "probability", "code", "detail"}


def problem_of(described: dict[str, Any]) -> dict[str, Any]:
    refusal = described["paths"]["/identify"]["post"]["responses"]["503"]
    found: dict[str, Any] = refusal["content"]["application/problem+json"]["schema"]["properties"]
    return found


@pytest.mark.parametrize("name", ["Loupe.swift", "Loupe.kt", "python.py", "javascript.mjs"])
def test_every_client_asks_at_an_address_that_is_there(
    described: dict[str, Any], name: str
) -> None:
    text = (CLIENTS / name).read_text(encoding="utf-8")
    assert "api/v1" in text
    asked = set(re.findall(r"[\"/](/?(?:identify(?:/batch)?|corrections|models))[\"?]", text))
    assert asked
    assert {f"/{path.strip('/')}" for path in asked} <= described["paths"].keys()


def test_a_client_is_short() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in CLIENTS.iterdir()}
    assert {name: lines for name, lines in lengths.items() if lines >= 140} == {}
