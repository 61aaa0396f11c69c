"""``ui.models_page.small_graph``: both graphs' figures in rows and sentences."""

from model.bundle import get_bundle, read_small_card
from ui.models_page.small_graph import agreement_lines, graph_rows
from ui.phrasing import escape_markdown


def test_rows_compare_both_graphs():
    bundle = get_bundle("clothing")
    card = read_small_card(bundle)
    rows = {row[""]: (row["Full graph"], row["Small graph"]) for row in graph_rows(bundle, card)}
    assert list(rows) == [
        "Accuracy",
        "Right label among the plausible ones",
        "Calibration error",
        "Known photos accepted",
        "Accepted of *garments of other kinds*",
        "Accepted of *photographs without garments*",
    ]
    assert rows["Accuracy"][0] == "94.4% (91.5–96.4%)"
    # Its interval was measured with the small graph's figures.
    assert "(" in rows["Calibration error"][0]
    assert all(full and small for full, small in rows.values())


def test_model_without_calibration_has_measured_rows_alone():
    bundle = get_bundle("imagenet")
    assert [row[""] for row in graph_rows(bundle, read_small_card(bundle))] == ["Accuracy"]


def test_each_set_of_photos_has_its_agreement():
    card = read_small_card(get_bundle("clothing"))
    lines = agreement_lines(card)
    assert lines[0] == (
        "*held\\-out photos*: same top label on **340 of 341**, “none of these” decided alike on "
        "**338**."
    )
    hostile = card.agreement[0].model_copy(update={"name": "<b>*x*", "known": None})
    (line,) = agreement_lines(card.model_copy(update={"agreement": (hostile,)}))
    assert line.startswith(f"*{escape_markdown('<b>*x*')}*: same")
    assert "decided" not in line
