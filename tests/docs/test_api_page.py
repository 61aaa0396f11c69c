"""``docs/api.md`` against the API: codes, routes, curl commands."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from api.problems import KINDS
from api.v1 import application
from model.settings import ROOT
from tests.browser.server import Server
from tests.tools import require_tool


def test_page_lists_every_code_with_its_status() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d{3}) \| (.*?) \|", text, re.M)
    listed = {
        code: int(status) for status, codes in rows for code in re.findall(r"`([\w-]+)`", codes)
    }
    # The base class of the others is never raised itself.
    assert listed == {
        "error": 500,
        **{code: status for code, (status, _) in KINDS.items() if code != "bundle"},
    }


def test_page_lists_every_route() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(DELETE|GET|POST) ([^?`]+)", text, re.M))
    actual = {
        (method.upper(), re.sub(r"\{(\w+)\}", lambda match: match[1].upper(), path))
        for path, methods in application().openapi()["paths"].items()
        for method in methods
    }
    assert listed == actual


def test_curl_commands_of_the_page_work(server: Server, photos: Path) -> None:
    require_tool("curl")
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for name, source in (("photo.jpg", "red"), ("a.jpg", "blue"), ("b.png", "red")):
        shutil.copy(photos / f"{source}.png", photos / name)
    shutil.make_archive(str(photos / "holiday"), "zip", photos, "red.png")
    commands = re.findall(r"^curl (?:.*\\\n)*.*$", text, re.M)
    assert len(commands) == 5
    for command in commands:
        line = command.replace("http://localhost:8501", server.url)
        completed = subprocess.run(
            ["bash", "-c", line.replace("curl", "curl -sS --fail", 1).replace("clothing", "tiny")],
            cwd=photos,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={**os.environ, "no_proxy": "localhost"},
        )
        first = json.loads(completed.stdout.splitlines()[0])
        result = first["answers"][0] if "answers" in first else first
        assert result.get("answer", result.get("predicted")) in ("red", "blue"), command
