"""``benchmarks/peers``: apps as their own documentation would write them."""

from benchmarks.paths import PEERS


def test_peers_have_about_ten_lines_and_load_their_learner_once() -> None:
    files = sorted(PEERS.glob("*.py"))
    assert [path.name for path in files] == ["gradio_app.py", "streamlit_app.py"]
    for path in files:
        text = path.read_text()
        compile(text, str(path), "exec")
        lines = [line for line in text.splitlines() if line.strip() and line[0] != "#"]
        assert 5 <= len(lines) <= 15, path.name
        assert text.count("load_learner(") == 1
        assert ".predict(" in text
