"""A host's files read back: YAML, JSON, TOML, systemd units, front matter, variables."""

import configparser
import json
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from ..errors import Unreadable

__all__ = ["megabytes", "parse", "parse_all", "variables", "written"]


def parse_all(files: Mapping[str, str]) -> dict[str, Any]:
    """Each file parsed; units that cloud-init writes stand under their own paths, too.

    Raises:
        Unreadable: a file is not what its name says.
    """
    documents = {path: parse(path, text) for path, text in files.items()}
    for text in files.values():
        if text.startswith("#cloud-config"):
            documents |= {path: parse(path, inner) for path, inner in written(text).items()}
    return documents


def written(text: str) -> dict[str, str]:
    """The files that cloud-init's user data writes, by path.

    Raises:
        Unreadable: it is no YAML.
    """
    document = parse("cloud-init.yaml", text)
    entries = document.get("write_files") if isinstance(document, dict) else None
    found = [one for one in entries or () if isinstance(one, dict)]
    return {str(one.get("path")): str(one.get("content", "")) for one in found}


def parse(path: str, text: str) -> Any:
    """One file by its name; a Caddyfile stays text.

    Raises:
        Unreadable: it is not what its name says.
    """
    name = PurePosixPath(path).name.removesuffix(".example")
    try:
        match name.rpartition(".")[2]:
            case "yaml" | "yml":
                return yaml.safe_load(text)
            case "json":
                return json.loads(text)
            case "toml":
                return tomllib.loads(text)
            case "service":
                return _unit(text)
            case "md":
                return yaml.safe_load(text.split("---\n")[1])
            case _:
                return text
    except (yaml.YAMLError, ValueError, IndexError, configparser.Error) as error:
        raise Unreadable(f"{path} cannot be read: {error}") from error


def _unit(text: str) -> dict[str, dict[str, Any]]:
    """A unit's sections; ``Environment`` becomes a mapping."""
    parser = configparser.ConfigParser(
        interpolation=None, delimiters=("=",), comment_prefixes=("#", ";")
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names keep their capitals
    parser.read_string(text)
    sections: dict[str, dict[str, Any]] = {name: dict(parser[name]) for name in parser.sections()}
    words = shlex.split(sections.get("Service", {}).get("Environment", ""))
    if words:
        sections["Service"]["Environment"] = dict(word.split("=", 1) for word in words)
    return sections


def variables(found: Any) -> dict[str, str]:
    """Environment variables in any of the forms in which manifests list them.

    Those that the host makes up itself (``generateValue``) have no value and are left out.
    """
    if isinstance(found, list):
        return {
            str(one.get("name", one.get("key"))): str(one["value"])
            for one in found
            if "value" in one
        }
    pairs = {} if found is None else dict(found)
    return {
        name: str(value["value"] if isinstance(value, dict) else value)
        for name, value in pairs.items()
        if not isinstance(value, dict) or "value" in value
    }


def megabytes(value: Any) -> int:
    """``512``, ``512mb``, ``1024M``, ``1Gi`` and the like, in MB.

    Raises:
        Unreadable: it is none of these.
    """
    text = str(value).strip().lower()
    number = text.rstrip("gmkib")
    unit = text.removeprefix(number)[:1]
    scale = {"k": 1 / 1024, "g": 1024}.get(unit, 1)
    try:
        return int(float(number) * scale)
    except (ValueError, OverflowError):
        raise Unreadable(f"'{value}' is no amount of memory, such as 512mb.") from None
