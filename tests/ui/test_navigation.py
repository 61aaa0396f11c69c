"""The owner's pages: every fragment of theirs ends with the sign-in."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from model.settings import ROOT, settings
from model.sign_ins import SignIn, sign_ins
from tests.browser.server import Server, serving
from tests.model.tiny import tiny

OF_VISITORS = {"ui/batch/results_view.py", "ui/model_figures.py"}
"""Modules with fragments of pages that anybody may open."""


def decorators(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    return {ast.unparse(one).partition("(")[0] for node in functions for one in node.decorator_list}


def test_fragments_of_owner_pages_check_the_sign_in() -> None:
    files = [*(ROOT / "ui").rglob("*.py"), *(ROOT / "pages").glob("*.py")]
    found = {path.relative_to(ROOT).as_posix(): decorators(path) for path in files}
    plain = {name for name, names in found.items() if "st.fragment" in names}
    # In navigation.py, that of owner_fragment.
    assert plain == {*OF_VISITORS, "ui/navigation.py"}
    checked = {name for name, names in found.items() if "owner_fragment" in names}
    assert checked == {"ui/navigation.py", "ui/training_view.py"}


class OwnerPage:
    """A client of *Photos & training*, which keeps what a browser would show."""

    def __init__(self, stream: ClientConnection) -> None:
        self.stream, self.script, self.fragments = stream, "", list[str]()

    def run(self, fragment: str = "") -> str:
        """Run the page, or one of its fragments alone; return what it draws."""
        message, drawn = BackMsg(), ""
        message.rerun_script.page_name = "" if self.script else "photos"
        message.rerun_script.page_script_hash = self.script
        message.rerun_script.fragment_id = fragment
        self.stream.send(message.SerializeToString())
        while True:
            reply = ForwardMsg.FromString(self.stream.recv(30, decode=False))
            kind = reply.WhichOneof("type")
            if kind == "navigation":
                self.script = reply.navigation.page_script_hash
            if kind == "auto_rerun":
                self.fragments.append(reply.auto_rerun.fragment_id)
            drawn += str(reply.delta) if kind == "delta" else ""
            # A fragment that draws the whole page again doesn't end with success.
            if kind == "script_finished" and reply.script_finished in (
                ForwardMsg.FINISHED_SUCCESSFULLY,
                ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY,
            ):
                return drawn


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The app, and this process's settings for its database."""
    tiny(tmp_path / "data" / "models")
    monkeypatch.setenv("LOUPE_DATA", str(tmp_path / "data"))
    settings.cache_clear()
    sign_ins.cache_clear()
    with serving(tmp_path, LOUPE_OWNER_KEY="secret secret secret secret") as running:
        yield running
    sign_ins().close()
    sign_ins.cache_clear()
    settings.cache_clear()


def test_fragments_draw_nothing_after_the_sign_in_ended(server: Server) -> None:
    training = server.data / "training"
    training.mkdir()
    (training / ".holder").write_text("1 tiny")
    sign_in = SignIn(sign_ins().open(), server.url)
    headers = {"Cookie": f"{sign_in.cookie_name()}={sign_in.to_cookie()}"}
    address = f"{server.url.replace('http', 'ws', 1)}/_stcore/stream"
    with (
        FileLock(training / ".lock"),
        connect(
            address, origin=Origin(server.url), additional_headers=headers, max_size=None
        ) as stream,
    ):
        page = OwnerPage(stream)
        drawn = page.run()
        assert "Starting" in drawn
        assert "owner --new-key" in drawn, "no warning of a weak key"
        training_fragment = page.fragments[-1]
        assert "Starting" in page.run(training_fragment)
        sign_ins().revoke_all()
        drawn = page.run(training_fragment)
        assert "belongs to the owner" in drawn
        assert "Starting" not in drawn
