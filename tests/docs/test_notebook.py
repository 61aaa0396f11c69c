"""``docs/notebooks``: the notebook runs in both usual folders and agrees with the app."""

import re

import nbformat
import pytest
from nbclient import NotebookClient

from model import Classifier
from model.samples import samples
from model.settings import ROOT

NOTEBOOK = ROOT / "docs" / "notebooks" / "identify.ipynb"


@pytest.mark.parametrize("folder", [".", "docs/notebooks"])
def test_notebook_gives_the_apps_answer(imagenet: Classifier, folder: str) -> None:
    notebook = nbformat.reads(NOTEBOOK.read_text(encoding="utf-8"), as_version=4)
    resources = {"metadata": {"path": str(ROOT / folder)}}
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources=resources).execute()
    text = notebook.cells[-1].outputs[-1]["data"]["text/plain"]
    labels = re.findall(r"label='([^']+)'", text)
    expected = imagenet.identify(samples()[0].path).top(5)
    assert labels == [candidate.label for candidate in expected]


def test_notebook_has_no_outputs_and_three_lines_of_code_at_its_end() -> None:
    notebook = nbformat.reads(NOTEBOOK.read_text(encoding="utf-8"), as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    lines = [line for line in code[-1].source.splitlines() if line.strip()]
    assert len(lines) == 3
