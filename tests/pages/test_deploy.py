"""The Deploy page: the model first, then requirements decide the order and hosts offer files."""

import pytest
from streamlit.testing.v1 import AppTest

from deploy.files import make_files
from deploy.hosts import hosts
from deploy.package import choose_models
from deploy.ranking import Requirements, rank
from model.bundle import ManifestDraft, publish
from model.exporting import cache
from tests.model.tiny import files, tiny, values
from tests.pages.hostile import LABELS
from ui.deploy_page.instructions import MAX_MODEL_MB
from ui.navigation import ROOT

AFFORDABLE = {"budget": "by use", "traffic": "a few people", "knows": "yes"}
"""Requirements that every host meets."""


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


def plain(at):
    return text(at).replace("\\", "")


def test_without_an_own_model_the_builtin_one_is_deployed():
    at = open_page()
    assert "You have no model of your own yet: these files deploy the built-in *imagenet*" in text(
        at
    )
    assert "python -m model import export.pkl" in text(at)
    assert not at.selectbox


def test_own_models_are_offered_with_the_default_first(shelf):
    tiny(shelf, "apples", title="Apples")
    pears = tiny(shelf, "pears", title=LABELS[1])
    at = open_page(expanded=["steps-community-cloud"])
    assert at.selectbox[0].options == ["pears", "apples"]
    assert f"{LABELS[1]} · version {pears.version} · 0.0 MB to deploy" in plain(at)
    assert LABELS[1] not in text(at)
    assert "You have no model of your own yet" not in text(at)
    assert "python -m deploy write community-cloud --model pears" in text(at)
    at.selectbox[0].set_value("apples").run()
    assert "Apples · version" in text(at)
    assert "python -m deploy show HOST --model apples" in text(at)


@pytest.mark.parametrize(("asked", "chosen"), [("apples", "apples"), ("imagenet", "pears")])
def test_link_chooses_among_own_models(shelf, asked, chosen):
    tiny(shelf, "apples")
    tiny(shelf, "pears")
    at = AppTest.from_file(ROOT / "pages/deploy.py", default_timeout=60)
    at.query_params["deployed"] = asked
    at.run()
    assert not at.exception
    assert at.selectbox[0].value == chosen


def test_model_chosen_on_another_page_that_is_not_ones_own_is_no_option(shelf):
    tiny(shelf)
    at = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=60).run()
    at.selectbox(key="model").set_value("imagenet").run()
    at.switch_page("pages/deploy.py").run()
    assert not at.exception
    assert at.selectbox[0].value == "tiny"


def test_damaged_model_is_neither_offered_nor_deployed(shelf):
    bundle = tiny(shelf, "apples")
    (bundle.folder / "graph.onnx").unlink()
    at = open_page()
    assert "these files deploy the built-in *imagenet*" in text(at)


def test_app_without_models_says_so(monkeypatch, data_folder):
    monkeypatch.setenv("LOUPE_BUILTIN", "false")
    at = open_page()
    assert "no model that can be loaded" in at.warning[0].value
    assert not at.subheader


def test_best_option_is_shown_with_its_reasons():
    at = open_page()
    best = rank(Requirements())[0]
    assert headline(at) == f"Best for you: {best.option.title}"
    for reason in [*best.pros, *best.cons]:
        assert reason.split(":")[0] in text(at).replace("\\", "")


def test_answers_change_the_order():
    headlines = {
        headline(open_page()),
        headline(open_page(budget="by use", must=["gpu"])),
        headline(open_page(budget="a few dollars", knows="yes", must=["gpu"])),
        headline(open_page(budget="by use", traffic="thousands an hour")),
    }
    assert len(headlines) >= 3


def test_excluded_options_have_a_reason():
    at = open_page(must=["offline"])
    (excluded,) = [expander for expander in at.expander if "don't match" in expander.label]
    assert "It can't be reached offline" in text(excluded).replace("\\", "")


def test_compromise_is_not_called_the_best():
    at = open_page(budget="nothing", traffic="thousands an hour")
    assert headline(at).startswith("Closest match, with a compromise: ")
    assert "not thousands an hour" in text(at)


def test_page_says_when_nothing_fits():
    at = open_page(must=["offline", "own_domain", "gpu", "private"], budget="nothing")
    assert headline(at) == "Nothing matches everything"
    # The chart lists every host whatever is required.
    assert len(at.get("vega_lite_chart")) == 1


@pytest.mark.parametrize("name", [name for name, host in hosts().items() if host.has_server])
def test_host_shows_steps_files_and_the_budget_alert(name):
    host, app = hosts()[name], choose_models(["imagenet"])
    at = open_page(**AFFORDABLE, expanded=[f"steps-{name}"])
    code = [element.value for element in at.code]
    assert {content.strip() for content in make_files(host, app).values()} <= set(code)
    commands = {step.removeprefix("$ ") for step in host.list_steps(app) if step.startswith("$ ")}
    assert commands <= set(code)
    assert host.update_command(app) in code
    assert sum("Unzip the download" in element.value for element in at.markdown) == 1
    assert len(at.get("download_button")) == 1
    assert [field.placeholder for field in at.text_input] == list(host.placeholders)
    assert any("Budget alert: " in element.value.replace("\\", "") for element in at.info)
    assert all(source.url in text(at) for source in host.sources)


@pytest.mark.parametrize("downloads", ["true", "false"])
def test_static_host_is_offered_first_with_a_zip_of_the_page(
    built_dir, shelf, monkeypatch, downloads
):
    monkeypatch.setattr(cache, "BUILT_DIR", built_dir)
    monkeypatch.setenv("LOUPE_DOWNLOADS", downloads)
    bundle = tiny(shelf)
    at = open_page(expanded=["steps-static"])
    assert headline(at) == "Best for you: A static host"
    assert "Fits: the model runs on the visitor's device." in plain(at)
    assert f"python -m deploy write static --model {bundle.name}" in text(at)
    handed_out = downloads == "true"
    assert len(at.get("download_button")) == handed_out
    assert ("Unzip the download into the folder build/static" in text(at)) == handed_out
    assert ("this app's models aren't for download" in plain(at)) != handed_out


def test_static_host_without_onnxruntime_web_leaves_the_page_to_a_terminal(shelf):
    tiny(shelf)
    at = open_page(expanded=["steps-static"])
    assert "this app has no onnxruntime-web yet" in plain(at)
    assert not at.get("download_button")


def test_fields_fill_files_and_steps():
    at = open_page(**AFFORDABLE, expanded=["steps-fly"])
    at.session_state["steps-fly"] = True
    at.text_input(key="fly-YOUR-APP-NAME").set_value(" my-app ").run()
    code = "\n".join(element.value for element in at.code)
    assert "fly apps create my-app" in code
    assert "--set YOUR-APP-NAME=my-app" in code
    assert 'app = "my-app"' in code
    at.session_state["steps-fly"] = True
    at.text_input(key="fly-YOUR-APP-NAME").set_value("x; rm -rf").run()
    assert "can't be put for YOUR-APP-NAME" in at.error[0].value.replace("\\", "")
    assert "rm -rf" not in "".join(element.value for element in at.code)


@pytest.mark.parametrize("downloads", ["true", "false"])
def test_page_says_when_the_model_is_left_out(shelf, monkeypatch, downloads):
    tiny(shelf)
    monkeypatch.setenv("LOUPE_DOWNLOADS", downloads)
    at = open_page(expanded=["steps-community-cloud"])
    handed_out = downloads == "true"
    assert ("The download leaves the model out" in text(at)) != handed_out
    assert ("Unzip the download into the folder build/community-cloud" in text(at)) == handed_out
    assert len(at.get("download_button")) == 1


def test_large_model_is_copied_by_the_command(shelf):
    def fill(folder):
        for name, data in {**files(), "graph.onnx": bytes(MAX_MODEL_MB * 10**6 + 1)}.items():
            (folder / name).write_bytes(data)

    publish(ManifestDraft.model_validate(values("large")), shelf, fill)
    at = open_page(expanded=["steps-community-cloud"])
    assert "more than the 50 MB that this page zips" in text(at)
    assert not at.get("download_button")
    assert "python -m deploy write community-cloud --model large" in text(at)


def test_changed_model_is_not_offered(shelf):
    bundle = tiny(shelf)
    graph = bundle.folder / "graph.onnx"
    graph.write_bytes(bytes(graph.stat().st_size))
    at = open_page(expanded=["steps-community-cloud"])
    assert "This model can't be used right now" in at.warning[0].value
    assert not at.get("download_button")


def test_memory_is_that_of_the_deployed_app():
    at = open_page()
    assert "Fits: needs about 350 MB; Render gives 512 MB and 0.1 cores." in plain(at)
    assert "needs about **350 MB**: every host has more." in text(at)
    (chart,) = at.get("vega_lite_chart")
    assert "This app: 350 MB; " in chart.proto.spec
    assert all((host.title in chart.proto.spec) == host.has_server for host in hosts().values())


def test_host_with_too_little_memory_is_excluded(shelf):
    def fill(folder):
        for name, data in {**files(), "graph.onnx": bytes(120 * 2**20)}.items():
            (folder / name).write_bytes(data)

    publish(ManifestDraft.model_validate(values("large")), shelf, fill)
    at = open_page()
    (excluded,) = [expander for expander in at.expander if "don't match" in expander.label]
    assert "**Render**: Needs about 550 MB; it gives 512 MB." in plain(excluded)
    assert "too much for" in text(at)
    assert headline(at) == "Best for you: A static host"


def test_words_between_backticks_are_code():
    at = open_page(**AFFORDABLE, expanded=["steps-fly"])
    assert "keep `fly scale count 1`" in at.info[0].value
    assert "`fly scale count` sets the number of machines" in text(at)
