"""The page about the API names what there is."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from api.problems import STATUSES
from model.settings import ROOT
from tests.browser.server import Server
from tests.tools import require_tool


def test_the_page_names_every_code_with_its_status() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d{3}) \| (.*?) \|", text, re.M)
    listed = {
        code: int(status) for status, codes in rows for code in re.findall(r"`([\w-]+)`", codes)
    }
    unsaid = {"bundle"}  # the base of the others, which nothing raises itself
    assert {code: status for code, status in STATUSES.items() if code not in unsaid} == {
        code: status
        for code, status in listed.items()
        if code not in ("error", "method-not-allowed", "no-such-range")
    }


def test_the_page_names_every_route(described: dict[str, Any]) -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(GET|POST) ([^?`]+)", text, re.M))
    there = {
        (method.upper(), re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), path))
        for path, methods in described["paths"].items()
        for method in methods
    }
    assert named == there


def test_the_lines_with_curl_work(server: Server, photos: Path) -> None:
    require_tool("curl")
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for name, source in (("photo.jpg", "red"), ("a.jpg", "blue"), ("b.png", "red")):
        shutil.copy(photos / f"{source}.png", photos / name)
    shutil.make_archive(str(photos / "holiday"), "zip", photos, "red.png")
    commands = re.findall(r"^curl (?:.*\\\n)*.*$", text, re.M)
    assert len(commands) == 5
    for command in commands:
        line = command.replace("http://localhost:8501", server.url)
        done = subprocess.run(
            ["bash", "-c", line.replace("curl", "curl -sS --fail", 1).replace("clothing", "tiny")],
            cwd=photos,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={**os.environ, "no_proxy": "localhost"},
        )
        first = json.loads(done.stdout.splitlines()[0])
        said = first["answers"][0] if "answers" in first else first
        assert said.get("answer", said.get("predicted")) in ("red", "blue"), command
