"""``benchmarks/peers``: apps as their own documentation would write them."""

from pathlib import Path

import pytest

from benchmarks.paths import PEERS

FILES = sorted(PEERS.glob("*.py"))


def code(path: Path) -> list[str]:
    lines = [line.strip() for line in path.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def test_there_are_two_peers() -> None:
    assert [path.name for path in FILES] == ["gradio_app.py", "streamlit_app.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_peer_has_about_ten_lines(path: Path) -> None:
    assert 5 <= len(code(path)) <= 15


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_peer_loads_its_learner_once_and_predicts(path: Path) -> None:
    text = path.read_text()
    compile(text, str(path), "exec")
    assert text.count("load_learner(") == 1
    assert ".predict(" in text
