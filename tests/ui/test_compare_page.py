"""A comparison from the browser: accepted and described, or rejected."""

import copy

import pytest

from model.browser import cache
from model.browser.device_files import device_dir, first_visit_bytes
from model.bundle import get_bundle
from model.errors import DataError
from model.text import format_size
from tests.model.tiny import tiny
from ui.compare_page import describe_agreement, read_comparison, trade_offs
from ui.phrasing import headline

BUNDLE = get_bundle("clothing")
TIMES = {"travel": 60.0, "queue": 10.0, "decode": 2.0, "preprocess": 4.0, "engine": 15.0}


def result(way, labels, *, known=True, **changes):
    """Return a browser's report of one way, with a prediction set of one label."""
    is_device = way in {"small", "full"}
    return {
        "way": way,
        "version": BUNDLE.version,
        "known": known,
        "novelty": 0.4,
        "plausible": [labels[0][0]],
        "downloaded": 7_240_000 if is_device else 0,
        "sent": 0 if is_device else 136_000,
        "labels": labels,
        "times": TIMES,
        **changes,
    }


def sent(*ways):
    return {"model": "clothing", "bytes": 136_000, "ways": list(ways)}


THREE = sent(
    result("small", [[5, 0.897], [3, 0.051], [2, 0.033]]),
    result("compiled", [[5, 0.906], [3, 0.045], [2, 0.031]]),
    result("learner", [[5, 0.906], [3, 0.045], [2, 0.031]]),
)


def test_agreeing_ways_are_described():
    comparison = read_comparison(THREE, BUNDLE)
    assert comparison.reference.way == "learner"
    assert comparison.largest_difference() == pytest.approx(0.009)
    headline, sentence = describe_agreement(comparison, BUNDLE)
    assert headline == f"All three say {BUNDLE.labels[5]}"
    assert "0.9 percentage points" in sentence
    one = sent(*(result(way, [[5, share]]) for way, share in (("small", 0.9), ("compiled", 0.91))))
    assert (
        "at most 1 percentage point." in describe_agreement(read_comparison(one, BUNDLE), BUNDLE)[1]
    )


def test_ways_of_a_model_with_several_labels_agree_by_their_answers(tiny_bundle):
    bundle = tiny(tiny_bundle.folder.parents[1], "several", multilabel=True, threshold=0.3)
    plain = {"version": bundle.version, "known": None, "novelty": None, "plausible": None}

    def compare(*shares):
        ways = [
            result(way, [[0, first], [1, second]], **plain)
            for way, (first, second) in zip(("small", "compiled"), shares, strict=True)
        ]
        data = {**sent(*ways), "model": "several"}
        return describe_agreement(read_comparison(data, bundle), bundle)

    first, second = bundle.labels[:2]
    assert compare((0.8, 0.4), (0.8, 0.39))[0] == f"Both say {first} and {second}"
    headline, sentence = compare((0.8, 0.3), (0.8, 0.29))
    assert headline == "They differ"
    assert f"device, small says {first} and {second} and compiled says {first}" in sentence
    assert compare((0.2, 0.1), (0.2, 0.1))[0] == "Both say “none of these”"


def test_each_way_has_its_own_certainty():
    ways = [
        result("small", [[5, 0.897], [3, 0.051]]),
        result("full", [[5, 0.7], [3, 0.2]], plausible=[5, 3]),
        result("compiled", [[5, 0.906], [3, 0.045]]),
        result("learner", [[5, 0.906], [3, 0.045]], known=False),
    ]
    results = read_comparison(sent(*ways), BUNDLE).results
    small, full, compiled, learner = (one.prediction(BUNDLE) for one in results)
    label, other = f"a {BUNDLE.labels[5]}", BUNDLE.labels[3]
    assert headline(small) == f"Probably {label}"
    assert headline(full).casefold() == f"{label} or {other}"
    assert headline(compiled) == f"Very likely {label}"
    assert headline(learner).startswith("None of the ten things I know")


def test_differing_and_failed_ways_are_described():
    comparison = read_comparison(
        sent(
            result("small", [[3, 0.5], [5, 0.4]]),
            result("compiled", [[5, 0.6], [3, 0.3]], known=False),
            {"way": "learner", "failed": "engine-unavailable"},
        ),
        BUNDLE,
    )
    headline, sentence = describe_agreement(comparison, BUNDLE)
    assert headline == "They differ"
    assert f"device, small says {BUNDLE.labels[3]}" in sentence
    assert "compiled says “none of these”" in sentence
    assert [failure.way for failure in comparison.failures] == ["learner"]
    assert comparison.reference.way == "compiled"


def test_trade_offs_have_the_measured_values():
    rows = {row[""]: row for row in trade_offs(read_comparison(THREE, BUNDLE), BUNDLE)}
    assert "7.2 MB" in rows["Internet"]["On the device"]
    assert rows["Latency"]["On a server"] == "91 ms"
    assert rows["Bandwidth"]["On a server"] == "136.0 kB for this photo"
    only = read_comparison(sent(THREE["ways"][1]), BUNDLE)
    rows = {row[""]: row for row in trade_offs(only, BUNDLE)}
    assert rows["Latency"]["On the device"] == "not measured"


def test_first_visit_has_the_size_that_other_pages_state(tiny_bundle, built_dir, monkeypatch):
    plain = {"version": tiny_bundle.version, "known": None, "novelty": None, "plausible": None}
    data = {**sent(result("small", [[0, 0.9]], **plain)), "model": "tiny"}
    comparison = read_comparison(data, tiny_bundle)

    def internet():
        return trade_offs(comparison, tiny_bundle)[0]["On the device"]

    # This server hasn't made the files, so only the browser knows their size.
    assert "for 7.2 MB" in internet()
    monkeypatch.setattr(cache, "BUILT_DIR", built_dir)
    device_dir(tiny_bundle)
    assert f"for {format_size(first_visit_bytes(tiny_bundle))};" in internet()
    assert "7.2 MB" not in internet()


def changed(path, value):
    data = copy.deepcopy(THREE)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return data


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        changed(["bytes"], -1),
        changed(["bytes"], "136"),
        changed(["ways"], []),
        changed(["ways", 0, "way"], "phone"),
        changed(["ways", 0, "way"], "compiled"),
        changed(["ways", 0, "labels"], [[5, 0.9], [3, 0.2]]),
        changed(["ways", 0, "times", "engine"], float("inf")),
        changed(["ways", 0, "times", "engine"], -1),
        changed(["ways", 0, "times", "queue"], None),
        changed(["ways", 0, "version"], "0" * 12),
        changed(["ways", 0, "version"], "<b>"),
        changed(["ways", 0, "extra"], 1),
        changed(["model"], "imagenet"),
        sent({"way": "small", "failed": "engine-unavailable"}),
        sent({"way": "small", "failed": "<img src=x>"}, THREE["ways"][1]),
    ],
)
def test_impossible_measurements_are_rejected(data):
    with pytest.raises(DataError):
        read_comparison(data, BUNDLE)
