"""``benchmarks.device_peers``: its table and its peers."""

import json

from benchmarks.device_peers import VARIANTS, Readings, format_rows
from benchmarks.paths import PEERS


def test_times_are_followed_by_the_median_of_ratios() -> None:
    # The machine slows down tenfold in the last round.
    ours = Readings([100, 100, 1000], 8_400_000, [50, 50, 500], [40, 40, 400])
    theirs = Readings([200, 220, 2000], 24_000_000, [25, 40, 250], [20, 20, 200], 4)
    first, *_, last = VARIANTS
    rows = format_rows({first: ours, last: theirs}, 200)
    assert rows[0].endswith("| other answers of 200 |")
    assert rows[2].endswith("| 8.4 MB | 100 ms (1.00) | 50 ms (1.00) | 40 ms (1.00) | 0 |")
    assert rows[3].endswith("| 24.0 MB | 220 ms (2.00) | 40 ms (0.50) | 20 ms (0.50) | 4 |")


def test_every_variant_has_its_page() -> None:
    for variant in VARIANTS:
        text = (PEERS / variant.partition("?")[0]).read_text()
        assert "globalThis.identify" in text
        # Nothing comes from elsewhere while it is measured.
        assert "https://" not in text


def test_lock_has_the_integrity_and_no_address_of_each_package() -> None:
    packages = json.loads((PEERS / "package-lock.json").read_text())["packages"]
    wanted = json.loads((PEERS / "package.json").read_text())["dependencies"]
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    for path, package in packages.items():
        assert "resolved" not in package
        assert path == "" or package["integrity"].startswith("sha512-")
