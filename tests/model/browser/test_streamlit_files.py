"""``model.browser.page_files``: the process that compresses files ends with the app."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from model.settings import ROOT
from tests.waiting import wait_until

CODE = """
import sys
from pathlib import Path
from model.browser.page_files import PARTS, compress
compress(PARTS[0], Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_compression_ends_with_the_app(tmp_path: Path) -> None:
    app = subprocess.Popen([sys.executable, "-c", CODE, str(tmp_path)], cwd=ROOT)
    wait_until(lambda: any(tmp_path.glob("static/js/[!l]*.gz")), 60)
    children = Path(f"/proc/{app.pid}/task/{app.pid}/children").read_text().split()
    app.kill()
    app.wait()
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), 10)
    modules = json.loads((tmp_path / "first-visit.json").read_text())["modules"]
    files = [tmp_path / f"{name}.gz" for name in modules if name.startswith("static/")]
    assert not all(file.exists() for file in files), "compression ran to the end"
