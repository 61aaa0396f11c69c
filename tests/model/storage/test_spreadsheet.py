"""``model.storage.spreadsheet``: no cell of a table is a formula."""

import csv
import io

import pytest

from model.storage.spreadsheet import escape_formula, write_csv

FORMULAS = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\n=x", "  =x", "＝x", "﹢x", "|x", "%x"]


@pytest.mark.parametrize("text", FORMULAS)
def test_formula_gets_an_apostrophe(text):
    assert escape_formula(text) == "'" + text


@pytest.mark.parametrize("text", ["", "a=b", "photo-1.jpg", "…/x.jpg", "'quoted", "a|b"])
def test_other_text_is_unchanged(text):
    assert escape_formula(text) == text


def test_csv_escapes_texts_and_leaves_numbers():
    text = write_csv(["photo", "share"], [[formula, -0.5] for formula in FORMULAS])
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == ["photo", "share"]
    assert rows == [["'" + formula, "-0.5"] for formula in FORMULAS]


def test_csv_keeps_empty_cells_and_line_breaks():
    text = write_csv(["a", "b"], [[None, 'x\r\n"y", z'], ["", 1]])
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["a", "b"],
        ["", 'x\r\n"y", z'],
        ["", "1"],
    ]
