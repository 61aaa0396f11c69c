"""The Deploy page: the model first, then the hosts that match, which offer their files."""

import pytest
from streamlit.testing.v1 import AppTest

from deploy.hosts import HOSTS
from deploy.matching import describe_host
from deploy.package import choose_models
from model.browser import cache
from model.bundle import ManifestDraft, publish
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


def test_builtin_model_is_deployed_without_models_of_the_owner():
    at = open_page()
    assert "You have no model of your own yet: these files deploy the built-in *imagenet*" in text(
        at
    )
    assert "python -m model import export.pkl" in text(at)
    assert not at.selectbox


def test_own_models_are_offered_with_the_default_first(models_dir):
    tiny(models_dir, "apples", title="Apples")
    pears = tiny(models_dir, "pears", title=LABELS[1])
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
def test_link_chooses_among_own_models(models_dir, asked, chosen):
    tiny(models_dir, "apples")
    tiny(models_dir, "pears")
    at = AppTest.from_file(ROOT / "pages/deploy.py", default_timeout=60)
    at.query_params["deployed"] = asked
    at.run()
    assert not at.exception
    assert at.selectbox[0].value == chosen


def test_builtin_model_chosen_on_another_page_is_no_option(models_dir):
    tiny(models_dir)
    at = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=60).run()
    at.selectbox(key="model").set_value("imagenet").run()
    at.switch_page("pages/deploy.py").run()
    assert not at.exception
    assert at.selectbox[0].value == "tiny"


def test_damaged_model_is_neither_offered_nor_deployed(models_dir):
    bundle = tiny(models_dir, "apples")
    (bundle.folder / "graph.onnx").unlink()
    at = open_page()
    assert "these files deploy the built-in *imagenet*" in text(at)


def test_app_without_models_says_so(monkeypatch, data_folder):
    monkeypatch.setenv("LOUPE_BUILTIN", "false")
    at = open_page()
    assert "no model that can be loaded" in at.warning[0].value
    assert not at.subheader


def test_hosts_that_match_are_shown_with_their_facts():
    at = open_page()
    assert headline(at) == "3 hosts match"
    shown = plain(at)
    for name in ("static", "community-cloud", "render"):
        host = HOSTS[name]
        assert host.title in shown
        assert all(fact in shown for fact in describe_host(host))
    assert "Memory: needs about 350 MB of 512 MB, on 0.1 cores." in shown
    assert "LOUPE_MODEL=imagenet make run" in shown


@pytest.mark.parametrize(
    ("answers", "must", "count"),
    [
        ({"budget": "by use"}, ["gpu"], "1 host matches"),
        ({"budget": "by use", "traffic": "thousands an hour", "knows": "yes"}, [], "5 hosts match"),
    ],
)
def test_answers_change_the_hosts(answers, must, count):
    assert headline(open_page(must=must, **answers)) == count


def test_hosts_that_do_not_match_have_all_their_reasons():
    at = open_page(must=["offline"], traffic="thousands an hour")
    assert headline(at) == "No host matches everything"
    (excluded,) = [expander for expander in at.expander if "don't match" in expander.label]
    assert "**Render**: It can't be reached offline. Built for hundreds a day" in plain(excluded)
    assert "LOUPE_MODEL=imagenet make run" in text(at)


@pytest.mark.parametrize("name", [name for name, host in HOSTS.items() if host.has_server])
def test_host_shows_steps_files_and_the_budget_alert(name):
    host, app = HOSTS[name], choose_models(["imagenet"])
    at = open_page(**AFFORDABLE, expanded=[f"steps-{name}"])
    code = [element.value for element in at.code]
    assert {content.strip() for content in host.make_files(app).values()} <= set(code)
    commands = {step.removeprefix("$ ") for step in host.list_steps(app) if step.startswith("$ ")}
    assert commands <= set(code)
    assert host.update_command(app) in code
    assert sum("Unzip the download" in element.value for element in at.markdown) == 1
    assert len(at.get("download_button")) == 1
    assert [field.placeholder for field in at.text_input] == list(host.placeholders)
    assert any("Budget alert: " in element.value.replace("\\", "") for element in at.info)
    assert all(line.split()[0] in text(at) for line in host.sources.splitlines())


@pytest.mark.parametrize("name", ["static", "community-cloud"])
@pytest.mark.parametrize("downloads", ["true", "false"])
def test_zip_is_offered_unless_models_are_kept(built_dir, models_dir, monkeypatch, downloads, name):
    monkeypatch.setattr(cache, "BUILT_DIR", built_dir)
    monkeypatch.setenv("LOUPE_DOWNLOADS", downloads)
    bundle = tiny(models_dir)
    at = open_page(expanded=[f"steps-{name}"])
    assert "The model runs on the visitor's device." in plain(at)
    assert f"python -m deploy write {name} --model {bundle.name}" in text(at)
    handed_out = downloads == "true"
    assert len(at.get("download_button")) == handed_out
    assert (f"Unzip the download into the folder build/{name}" in text(at)) == handed_out
    assert ("this app's models aren't for download" in plain(at)) != handed_out


def test_static_host_without_onnxruntime_web_leaves_the_page_to_a_terminal(models_dir):
    tiny(models_dir)
    at = open_page(expanded=["steps-static"])
    assert "this app has no onnxruntime-web yet" in plain(at)
    assert not at.get("download_button")


def test_fields_fill_files_and_steps():
    at = open_page(**AFFORDABLE, expanded=["steps-cloud-run"])
    at.session_state["steps-cloud-run"] = True
    at.text_input(key="cloud-run-PROJECT").set_value(" mine ").run()
    code = "\n".join(element.value for element in at.code)
    assert "gcloud config set project mine" in code
    assert "--set PROJECT=mine" in code
    assert "image: REGION-docker.pkg.dev/mine/loupe" in code
    at.session_state["steps-cloud-run"] = True
    at.text_input(key="cloud-run-PROJECT").set_value("x; rm -rf").run()
    assert "can't be put for PROJECT" in at.error[0].value.replace("\\", "")
    assert "rm -rf" not in "".join(element.value for element in at.code)


def test_large_model_is_copied_by_the_command(models_dir):
    def fill(folder):
        for name, data in {**files(), "graph.onnx": bytes(MAX_MODEL_MB * 10**6 + 1)}.items():
            (folder / name).write_bytes(data)

    publish(ManifestDraft.model_validate(values("large")), models_dir, fill)
    at = open_page(expanded=["steps-community-cloud"])
    assert "more than the 50 MB that this page zips" in text(at)
    assert not at.get("download_button")
    assert "python -m deploy write community-cloud --model large" in text(at)


def test_changed_model_is_not_offered(models_dir):
    bundle = tiny(models_dir)
    graph = bundle.folder / "graph.onnx"
    graph.write_bytes(bytes(graph.stat().st_size))
    at = open_page(expanded=["steps-community-cloud"])
    assert "This model can't be used right now" in at.warning[0].value
    assert not at.get("download_button")


def test_host_with_too_little_memory_is_excluded(models_dir):
    def fill(folder):
        for name, data in {**files(), "graph.onnx": bytes(120 * 2**20)}.items():
            (folder / name).write_bytes(data)

    publish(ManifestDraft.model_validate(values("large")), models_dir, fill)
    at = open_page()
    (excluded,) = [expander for expander in at.expander if "don't match" in expander.label]
    assert "**Render**: Needs about 550 MB; it gives 512 MB." in plain(excluded)


def test_words_between_backticks_are_code():
    at = open_page(**AFFORDABLE, expanded=["steps-sagemaker"])
    assert "`aws budgets` sends an e" in at.info[0].value
