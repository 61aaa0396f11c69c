"""The Deploy page: requirements decide the order, and each host offers its files."""

import pytest
from streamlit.testing.v1 import AppTest

from deploy.files import make_files
from deploy.hosts import hosts
from deploy.ranking import Requirements, rank
from ui.deploy_page.fit import measure_app
from ui.navigation import ROOT


def open_page(must=(), expanded=(), **answers):
    at = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=60).run()
    at.switch_page("pages/deploy.py").run()
    for key, value in answers.items():
        at.radio(key=key).set_value(value)
    if must:
        at.button_group(key="must").set_value(list(must))
    for key in expanded:
        at.session_state[key] = True
    at.run()
    assert not at.exception
    return at


def text(at):
    return "\n".join(element.value for element in [*at.markdown, *at.caption, *at.code])


def headline(at):
    return at.subheader[0].value


def test_best_option_is_shown_with_its_reasons():
    at = open_page()
    best = rank(Requirements())[0]
    assert headline(at) == f"Best for you: {best.option.title}"
    for reason in [*best.pros, *best.cons]:
        assert reason.split(":")[0] in text(at).replace("\\", "")


def test_answers_change_the_order():
    headlines = {
        headline(open_page()),
        headline(open_page(must=["offline"])),
        headline(open_page(budget="a few dollars", knows="yes", must=["private"])),
        headline(open_page(budget="by use", traffic="thousands an hour")),
    }
    assert len(headlines) >= 3


def test_excluded_options_have_a_reason():
    at = open_page(must=["offline"])
    (excluded,) = [expander for expander in at.expander if "don't fit" in expander.label]
    assert "It can't be reached offline" in text(excluded).replace("\\", "")


def test_compromise_is_not_called_the_best():
    at = open_page(budget="nothing", traffic="thousands an hour")
    assert headline(at).startswith("Closest match, with a compromise: ")
    assert "not thousands an hour" in text(at)


def test_page_says_when_nothing_fits():
    at = open_page(must=["offline", "own_domain", "gpu", "private"], budget="nothing")
    assert headline(at) == "Nothing matches everything"
    # The table lists every host whatever is required.
    assert len(at.table[0].value) == len(hosts())


@pytest.mark.parametrize("name", list(hosts()))
def test_host_shows_steps_files_and_the_budget_alert(name):
    host = hosts()[name]
    # Requirements that every host meets.
    at = open_page(budget="by use", traffic="a few people", knows="yes", expanded=[f"steps-{name}"])
    code = [element.value for element in at.code]
    assert {content.strip() for content in make_files(host).values()} <= set(code)
    commands = {step.removeprefix("$ ") for step in host.step_list if step.startswith("$ ")}
    assert commands <= set(code)
    assert any("Budget alert: " in element.value.replace("\\", "") for element in at.info)
    assert all(source.url in text(at) for source in host.sources)


def test_app_is_measured_beside_the_limits():
    measure_app.clear()
    at = open_page()
    measured = measure_app()
    assert measured is not None
    assert 50 < measured.memory_mb < 8000
    assert measured.core_seconds > 0
    assert f"**{measured.memory_mb:,.0f} MB** of memory" in text(at)
    table = at.table[0].value
    assert measured.estimate(measured.cores) == measured.estimate(100 * measured.cores)
    assert all(cell == "varies" or cell.startswith("about ") for cell in table["Answer"])
    ranked = rank(Requirements())
    assert list(table["Host"]) == [option.host.title for option in ranked if option.host]


def test_page_says_when_no_model_can_be_loaded(monkeypatch, data_folder):
    monkeypatch.setenv("LOUPE_MODEL", "gone")
    measure_app.clear()
    at = open_page()
    assert any("nothing was measured" in element.value for element in at.warning)
    measure_app.clear()
