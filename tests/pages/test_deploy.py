"""The Deploy page: what is wished for decides the order, and each host hands out its files."""

import io
import zipfile

import pytest
from streamlit.testing.v1 import AppTest

from deploy.files import files
from deploy.hosts import hosts
from deploy.ranking import rank
from ui.deploy_page.measured import measure_app
from ui.navigation import ROOT


def opened(must=(), parts=(), **wishes):
    at = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=60).run()
    at.switch_page("pages/deploy.py").run()
    for key, value in wishes.items():
        at.radio(key=key).set_value(value)
    if must:
        at.button_group(key="must").set_value(list(must))
    for part in parts:
        at.session_state[part] = True
    at.run()
    assert not at.exception
    return at


def said(at):
    return "\n".join(one.value for one in [*at.markdown, *at.caption, *at.code])


def first(at):
    return at.subheader[0].value


def test_the_best_comes_first_with_its_reasons():
    at = opened()
    best = rank_of()[0]
    assert first(at) == f"Best for you: {best.title}"
    for reason in [*best.reasons_for, *best.reasons_against]:
        assert reason.split(":")[0] in said(at).replace("\\", "")


def rank_of():
    from deploy.ranking import Requirements

    return rank(Requirements())


def test_wishes_change_the_order():
    found = {
        first(opened()),
        first(opened(must=["offline"])),
        first(opened(budget="a few dollars", knows="yes", must=["private"])),
        first(opened(budget="by use", traffic="thousands an hour")),
    }
    assert len(found) >= 3


def test_what_is_left_out_says_why():
    at = opened(must=["offline"])
    out = [one for one in at.expander if "do not fit" in one.label]
    assert len(out) == 1
    assert "Without a network nobody reaches it" in said(out[0])


def test_what_fits_only_just_is_not_called_the_best():
    at = opened(budget="nothing", traffic="thousands an hour")
    assert first(at).startswith("Closest, but not all you asked for: ")
    assert "not for thousands an hour" in said(at)


def test_what_nothing_can_do_is_said():
    at = opened(must=["offline", "own_domain", "gpu", "private"], budget="nothing")
    assert first(at) == "Nothing does all of that"
    every = [choice for choice in rank_of() if choice.host]
    # Whatever is asked for, each host stands in the table.
    assert len(at.table[0].value) == len(every)


@pytest.mark.parametrize("name", list(hosts()))
def test_each_host_shows_steps_files_and_the_alert(name):
    host = hosts()[name]
    # All that can be wished for, so that every host fits.
    at = opened(budget="by use", traffic="a few people", knows="yes", parts=[f"steps-{name}"])
    texts = [one.value for one in at.code]
    for text in files(host).values():
        assert text.strip() in texts
    for step in host.steps:
        if step.startswith("$ "):
            assert step.removeprefix("$ ") in texts
    assert any("Budget alert: " in one.value.replace("\\", "") for one in at.info)
    assert all(source.url in said(at) for source in host.sources.values())


def test_the_app_is_measured_beside_the_limits():
    measure_app.clear()
    at = opened()
    found = measure_app()
    assert found is not None
    assert 50 < found.memory_mb < 8000
    assert found.core_seconds > 0
    assert found.milliseconds > 0
    assert f"**{found.memory_mb:,.0f} MB**" in said(at)
    table = at.table[0].value
    # What is said in words and what stands in the table agree.
    assert found.estimate(found.cores) == found.estimate(100 * found.cores)
    assert all(cell == "varies" or cell.startswith("about ") for cell in table["An answer"])
    assert list(table["Host"]) == [one.title for one in rank_of() if one.host]


def test_a_model_that_does_not_answer_is_said(monkeypatch, data_folder):
    monkeypatch.setenv("LOUPE_MODEL", "gone")
    measure_app.clear()
    at = opened()
    assert any("nothing was measured" in one.value for one in at.warning)
    measure_app.clear()


def test_the_zip_holds_the_files():
    from deploy.files import archive

    for host in hosts().values():
        with zipfile.ZipFile(io.BytesIO(archive(host))) as zipped:
            assert {name: zipped.read(name).decode() for name in zipped.namelist()} == files(host)
