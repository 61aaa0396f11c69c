"""What version 6f50dd8 gave to others still works: links, addresses, data folders, commands.

``tests/compatibility/`` holds what that version wrote. A line may be added there, none changed;
CHANGELOG gives the new names of programs.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from posixpath import dirname, normpath
from typing import Any

import click
import httpx2
import pytest

import deploy.cli
import model.cli
from model import load
from model.answer.share_link import decode
from model.browser.runtime import RUNTIME
from model.corrections import correction_store
from model.settings import settings
from tests.browser.server import serving
from tests.model.tiny import colour
from tests.tools import require_tool
from tests.waiting import wait_until
from ui.navigation import PAGES

RECORDED = Path(__file__).with_name("compatibility")
LINKS = json.loads((RECORDED / "links.json").read_text("utf-8"))
COMMANDS = (RECORDED / "commands.txt").read_text("utf-8").splitlines()

ADDRESSES = {
    "/": "text/html",
    "/favicon.png": "image/png",
    "/link-preview.png": "image/png",
    "/api/live": "application/json",
    "/api/ready": "application/json",
    "/api/v1/docs": "text/html",
    "/api/v1/openapi.json": "application/json",
    "/api/v1/models": "application/json",
    "/api/v1/models/colours": "application/json",
    "/api/v1/models/colours/4fa1fe72bac4/graph.onnx": "application/octet-stream",
    "/device/": "text/html",
    "/device/index.html": "text/html",
    "/device/loupe.mjs": "text/javascript",
    "/device/manifest.webmanifest": "application/manifest+json",
    "/device/service-worker.js": "text/javascript",
    "/device/models/": "application/json",
    "/device/models/index.json": "application/json",
    "/device/models/colours/model.json": "application/json",
    # Named by a model.json that a page fetched before the update.
    "/device/models/colours/9aa1e991a60ca9f0.onnx.gz": "application/octet-stream",
    "/device/models/colours/2a02605437011dc5.golden.gz": "application/octet-stream",
}
OPERATIONS = {
    "post /identify": "model top explain",
    "post /identify/batch": "model top",
    "get /models": "",
    "get /models/{name}": "name",
    "get /models/{name}/{version}/{file}": "name version file",
    "post /corrections": "",
}
EXPORTS = {"LoupeError", "load"}


@pytest.fixture
def recorded(data_folder: Path) -> Path:
    """A copy of the recorded data folder, in use."""
    shutil.copytree(RECORDED / "data", data_folder)
    return data_folder


@pytest.fixture(scope="module")
def client(built_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """The app as people start it, on the recorded data folder."""
    folder = tmp_path_factory.mktemp("compatibility")
    shutil.copytree(RECORDED / "data", folder / "data")
    shutil.copytree(built_dir / RUNTIME, folder / "data" / "derived" / RUNTIME)
    with (
        serving(folder, LOUPE_MODEL="colours") as server,
        httpx2.Client(base_url=server.url, timeout=60) as client,
    ):
        yield client


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link["token"])
def test_recorded_links_give_the_same_prediction(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, link: dict[str, Any]
) -> None:
    monkeypatch.setenv("LOUPE_SECRET", link["secret"])
    settings.cache_clear()
    shared = decode(link["token"])
    prediction = shared.prediction.to_dict(link["prediction"]["photo"])
    assert {key: prediction[key] for key in link["prediction"]} == link["prediction"]
    assert str(shared.signature) == link["signature"]
    assert shared.prediction.graph == link["graph"]
    assert shared.prediction.multilabel is link["multilabel"]


def test_data_folder_of_an_earlier_release_still_works(recorded: Path) -> None:
    assert load("colours").identify(colour("red")).answer == "red"
    assert load("several").identify(colour("red")).multilabel
    with_photo, without_photo = correction_store().iter_corrections()
    assert (with_photo.id, with_photo.label, with_photo.predicted) == (1, "orange", "red")
    assert (without_photo.label, without_photo.predicted) == ("red", None)
    photo = correction_store().get_photo(with_photo.id)
    assert photo is not None
    assert photo.startswith(b"\xff\xd8")
    shown = load("colours").identify(colour("red"))
    assert correction_store().add_correction(shown, "scarlet") == 3
    correction_store().close()


def test_pages_and_addresses_are_served(client: httpx2.Client) -> None:
    pages = set(PAGES)
    assert pages >= {"identify", "batch", "about", "models", "compare", "deploy"}
    # It is made when it is first asked for.
    wait_until(lambda: client.get("/device/models/colours/model.json").status_code == 200, 60)
    for address, media_type in ADDRESSES.items():
        response = client.get(address)
        assert response.status_code == 200, address
        assert response.headers["content-type"].partition(";")[0] == media_type, address
    for address in ("/device", "/device?model=colours"):
        location = client.get(address).headers["location"]
        assert location == address.removeprefix("/").replace("device", "device/")
    # Another id would be another app beside the installed one.
    installed = client.get("/device/manifest.webmanifest").json()
    assert [installed[key] for key in ("id", "start_url", "scope")] == ["./"] * 3


def test_api_keeps_its_operations_and_their_parameters(client: httpx2.Client) -> None:
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    for operation, names in OPERATIONS.items():
        method, path = operation.split()
        parameters = paths[path][method].get("parameters", [])
        assert {item["name"] for item in parameters} >= set(names.split()), operation


def test_library_keeps_its_exports(client: httpx2.Client, tmp_path: Path) -> None:
    """Imported from what the app serves, as another site's page would."""
    fetched, wanted = set(), ["loupe.mjs"]
    while wanted:
        fetched.add(name := wanted.pop())
        text = client.get(f"/device/{name}").raise_for_status().text
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        imported = re.findall(r' from "(\.[^"]+mjs)"', text)
        names = {normpath(f"{dirname(name)}/{path}").lstrip("/") for path in imported}
        wanted += names - fetched
    script = f"console.log(Object.keys(await import('file://{tmp_path / 'loupe.mjs'}')).join(' '))"
    command = [require_tool("node"), "--input-type=module", "-e", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) >= EXPORTS


def usages() -> Iterator[str]:
    """Yield each command of today with its arguments, in the notation of ``commands.txt``."""
    for program, group in (("model", model.cli.main), ("deploy", deploy.cli.main)):
        yield from click_usages(program, group)


def click_usages(name: str, command: click.Command) -> Iterator[str]:
    """Yield ``NAME ARGUMENT [ARGUMENT] --flag --option= --required=!``, groups one by one."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from click_usages(f"{name} {inner}", found)
        return
    words = [name.replace(" ", "/")]
    for item in command.params:
        if isinstance(item, click.Argument):
            text = f"{(item.name or '').upper()}{'...' if item.nargs == -1 else ''}"
            words.append(text if item.required else f"[{text}]")
        elif isinstance(item, click.Option):
            value = "" if item.is_flag else "=..." if item.multiple else "="
            value += "!" if item.required else ""
            words += [f"{option}{value}" for option in (*item.opts, *item.secondary_opts)]
    yield " ".join(words)


def split(usage: list[str]) -> tuple[set[str], list[str]]:
    """Return the options, and the arguments without their names."""
    options = {word for word in usage if word.startswith("-")}
    return options, [re.sub("[A-Z_]+", "NAME", word) for word in usage if word not in options]


def test_commands_keep_their_arguments_and_options() -> None:
    today = {name: rest for name, *rest in (usage.split() for usage in usages())}
    for name, *expected in (line.split() for line in COMMANDS if not line.startswith("ui.")):
        assert name in today
        options, arguments = split(today[name])
        expected_options, expected_arguments = split(expected)
        assert arguments == expected_arguments, name
        assert options | {f"{word}!" for word in options} >= expected_options, name
        assert {word for word in options if word.endswith("!")} <= expected_options, name


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("ui.")])
def test_commands_accept_the_options_of_earlier_releases(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *options = line.split()
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit, match="0"):
        import_module(name.replace("ui.", "launch.")).main()
    usage = capsys.readouterr().out
    for option in options:
        assert f"[{option.replace('=', ' ')}" in usage
