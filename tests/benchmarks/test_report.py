"""``benchmarks.report``: the table and the JSON file."""

import json
from pathlib import Path

from benchmarks import Benchmark, Figure
from benchmarks.report import format_table, write_report


def entry(name: str, unit: str = "×") -> Benchmark:
    return Benchmark(name, f"what {name} is", 0.5, unit, False, lambda quick: (0.0, ""))


KNOWN = {
    "fast": entry("fast"),
    "slow": entry("slow"),
    "gone": entry("gone", "MB"),
    "frames": entry("frames", "frames/s"),
}
FIGURES = {
    "fast": Figure(0.254, 0.5, "a | b"),
    "slow": Figure(0.75, 0.5, ""),
    "gone": Figure(None, 330, "no browser"),
    "frames": Figure(11.96, 8, "", at_least=True),
}


def test_table_has_one_row_per_figure() -> None:
    rows = format_table(FIGURES, KNOWN).splitlines()
    assert rows[2] == "| fast | what fast is | 0.25 | ≤ 0.50 | met | a \\| b |"
    assert "| 0.75 | ≤ 0.50 | missed |" in rows[3]
    assert "| – | ≤ 330 MB | not measured | no browser |" in rows[4]
    assert "| 12 frames/s | ≥ 8 frames/s | met |" in rows[5]


def test_json_can_be_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bench.json"
    write_report(path, FIGURES, KNOWN, {"cores": "2"}, quick=True)
    read = json.loads(path.read_text())
    assert read["machine"] == {"cores": "2"}
    assert read["quick"] is True
    assert [figure["met"] for figure in read["figures"]] == [True, False, None, True]
