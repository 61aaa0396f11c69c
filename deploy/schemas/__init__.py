"""Closed JSON Schemas of the manifests: only keys that the documentation named in each has."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

__all__ = ["faults", "schema"]


@cache
def schema(name: str) -> dict[str, Any]:
    """The schema of that name; objects that list their properties take no others."""
    text = Path(__file__).with_name(f"{name}.yaml").read_text(encoding="utf-8")
    closed = _closed(yaml.safe_load(text))
    Draft202012Validator.check_schema(closed)
    return dict(closed)


def faults(name: str, document: Any) -> list[str]:
    """What in the document is not as the schema says, a line each, where it stands first."""
    found = Draft202012Validator(schema(name)).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(one) for one in node]
    if not isinstance(node, dict):
        return node
    inner = {key: _closed(value) for key, value in node.items()}
    if node.get("type") == "object" and "properties" in node:
        inner.setdefault("additionalProperties", False)
    return inner
