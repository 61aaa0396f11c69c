"""The Deploy page: what is wanted, one host with its commands, two others, and all of them."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from deploy.hosts import HOSTS
from deploy.spec import choose_models
from model.browser import cache
from model.bundle import ManifestDraft, publish
from model.settings import ROOT
from tests.model.tiny import files, tiny, values
from tests.pages.hostile import LABELS
from ui.host_instructions import MAX_MODEL_MB


def open_page(must=(), expanded=(), find="", asked="", **answers):
    at = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=60).run()
    at.query_params["deployed"] = asked
    at.switch_page("pages/deploy.py").run()
    for key, value in answers.items():
        at.radio(key=key).set_value(value)
    if must:
        at.button_group(key="must").set_value(list(must))
    if find:
        at.text_input(key="find").set_value(find)
    for key in expanded:
        at.session_state[key] = True
    at.run()
    assert not at.exception
    return at


def text(at):
    elements = [*at.markdown, *at.caption, *at.code]
    return "\n".join([*(element.value for element in elements), *commands(at)])


def commands(at):
    """Return the commands that have buttons, which copy them."""
    found = [json.loads(one.proto.json) for one in at.get("bidi_component")]
    return [command for data in found for _, command in data["commands"]]


def hosts(at):
    """Return the titles in the list of all hosts."""
    return [row.label.split("**")[1] for row in at.expander if row.label.startswith("**")]


def plain(at):
    return text(at).replace("\\", "")


def test_builtin_models_are_deployed_without_models_of_the_owner():
    at = open_page()
    assert "A model of your own is offered here once you have imported or trained it." in text(at)
    assert at.selectbox[0].options == ["A thousand everyday things", "Ten kinds of clothes"]
    assert "python -m deploy write static --model imagenet" in commands(at)


def test_own_models_are_offered_with_the_default_first(models_dir):
    tiny(models_dir, "apples", title="Apples")
    pears = tiny(models_dir, "pears", title=LABELS[1])
    # The address names an unknown model.
    at = open_page(asked="geocities")
    assert at.selectbox[0].options[:2] == [LABELS[1], "Apples"]
    assert f"Model: **{LABELS[1]}**" in plain(at)
    assert f"Version {pears.version} · 0.0 MB to deploy" in plain(at)
    assert LABELS[1] not in text(at)
    assert "A model of your own is offered" not in text(at)
    at.selectbox[0].set_value("apples").run()
    assert "Model: **Apples**" in text(at)
    assert commands(at)[:3] == [
        "python -m deploy show static --model apples",
        "python -m deploy write static --model apples",
        "python -m deploy check static",
    ]


def test_damaged_model_is_neither_offered_nor_deployed(models_dir):
    bundle = tiny(models_dir, "apples", title="Apples")
    (bundle.folder / "graph.onnx").unlink()
    at = open_page()
    assert "Apples" not in at.selectbox[0].options


def test_app_without_models_says_so(monkeypatch, data_folder):
    monkeypatch.setenv("LOUPE_BUILTIN", "false")
    at = open_page()
    assert "no model that can be loaded" in at.warning[0].value
    assert not at.subheader


def test_one_host_is_recommended_and_two_others_are_named():
    at = open_page()
    assert "You want: **Free, for a few people, no server to look after**" in text(at)
    assert [at.subheader[0].value, at.subheader[1].value] == ["A static host", "All 14 hosts"]
    assert commands(at)[3] == "python -m deploy show community-cloud --model imagenet"
    assert commands(at)[-1] == "LOUPE_MODEL=imagenet make run"
    assert "**Streamlit Community Cloud**  \nFree. Sleeps after 12 hours." in plain(at)
    assert "Needs about 350 MB of 690 MB, on 0.078 cores." in plain(at)
    assert "as their documentation gave them on 25 November 2026." in text(at)
    assert "Loupe makes the files for ten; docs/deploy.md describes the other four." in text(at)


@pytest.mark.parametrize(
    ("answers", "best", "said"),
    [
        ({"budget": "by use", "knows": "some"}, 4, ["Best for this"]),
        ({}, 0, ["No host fits your answers. The closest", "Built for hundreds a day, not"]),
    ],
)
def test_answers_change_the_recommendation(answers, best, said):
    at = open_page(traffic="thousands an hour", **answers)
    host = list(HOSTS.values())[best]
    assert at.subheader[0].value == host.title
    assert all(words in plain(at) for words in said)
    assert all(limit in plain(at) for limit in host.describe_limits())


@pytest.mark.parametrize(
    ("must", "find", "count", "first"),
    [
        ([], "", 14, "A static host"),
        (["private", "own_domain"], "docker", 2, "A server with Docker Compose"),
    ],
)
def test_filters_and_search_shorten_the_list(must, find, count, first):
    at = open_page(must, find=find)
    filters = " and these filters" if must else ""
    assert f"{count} of 14 fit this model{filters}, whatever your answers" in text(at)
    assert len(hosts(at)) == count
    assert hosts(at)[0] == first
    # They leave the recommendation as it is.
    assert at.subheader[0].value == "A static host"


def test_list_without_a_host_says_what_to_do():
    at = open_page(["offline"], find="docker")
    assert "No host fits. Remove a filter." in text(at)
    assert not hosts(at)


def test_documented_host_names_the_steps():
    at = open_page(expanded=["row-fly"])
    assert "Steps: docs/deploy.md, Other hosts that build the image." in plain(at)
    assert "https://fly.io/docs/about/pricing/" in text(at)


@pytest.mark.parametrize("name", ["community-cloud", "sagemaker", "vps-compose"])
def test_host_shows_steps_files_and_the_budget_alert(name):
    host, app = HOSTS[name], choose_models(["imagenet"])
    at = open_page(expanded=[f"row-{name}", f"steps-row-{name}"])
    code = [element.value for element in at.code]
    assert {content.strip() for content in host.make_files(app).values()} <= set(code)
    steps = {step.removeprefix("$ ") for step in host.list_steps(app) if step.startswith("$ ")}
    assert steps <= set(code)
    assert host.update_command(app) in code
    assert sum("Unzip the download" in element.value for element in at.markdown) == 1
    assert len(at.get("download_button")) == 1
    assert [field.placeholder for field in at.text_input][1:] == list(host.placeholders)
    alerts = ["Budget alert: " in element.value.replace("\\", "") for element in at.info]
    assert sum(alerts) == bool(host.budget_alert)
    if name == "sagemaker":
        assert "`aws budgets` sends an e" in at.info[0].value
    assert all(line.split()[0] in text(at) for line in host.sources.splitlines())


@pytest.mark.parametrize("name", ["static", "community-cloud"])
@pytest.mark.parametrize("downloads", ["true", "false"])
def test_zip_is_offered_unless_downloads_are_off(
    built_dir, models_dir, monkeypatch, downloads, name
):
    monkeypatch.setattr(cache, "BUILT_DIR", built_dir)
    monkeypatch.setenv("LOUPE_DOWNLOADS", downloads)
    bundle = tiny(models_dir)
    at = open_page(expanded=[f"row-{name}", f"steps-row-{name}"])
    assert f"python -m deploy write {name} --model {bundle.name}" in text(at)
    handed_out = downloads == "true"
    assert len(at.get("download_button")) == handed_out
    assert (f"Unzip the download into the folder build/{name}" in text(at)) == handed_out
    assert ("this app doesn’t offer its models for download" in plain(at)) != handed_out


def test_static_host_without_onnxruntime_web_leaves_the_page_to_a_terminal(models_dir):
    tiny(models_dir)
    at = open_page(expanded=["row-static", "steps-row-static"])
    assert "it needs onnxruntime-web, not yet fetched here" in plain(at)
    assert not at.get("download_button")


@pytest.mark.parametrize(
    ("name", "values", "refusal"),
    [
        ("cloud-run", {"PROJECT": "x; rm -rf"}, "can’t be put for PROJECT"),
        ("ray-serve", {"MIN_REPLICAS": "8", "MAX_REPLICAS": "2"}, "in ascending order"),
    ],
)
def test_values_that_cannot_be_used_are_left_out(name, values, refusal):
    at = open_page(expanded=[f"row-{name}", f"steps-row-{name}"])
    at.session_state[f"row-{name}"] = at.session_state[f"steps-row-{name}"] = True
    for word, value in values.items():
        at.text_input(key=f"row-{name}-{word}").set_value(value)
    at.run()
    assert refusal in at.error[0].value.replace("\\", "")
    assert "rm -rf" not in "".join(element.value for element in at.code)


def test_large_model_is_copied_by_the_command(models_dir):
    def fill(folder):
        for name, data in {**files(), "graph.onnx": bytes(MAX_MODEL_MB * 10**6 + 1)}.items():
            (folder / name).write_bytes(data)

    publish(ManifestDraft.model_validate(values("large")), models_dir, fill)
    at = open_page(expanded=["row-community-cloud", "steps-row-community-cloud"])
    assert "but this page zips at most 50 MB" in text(at)
    assert not at.get("download_button")
    assert "python -m deploy write community-cloud --model large" in text(at)


def test_changed_model_is_not_offered(models_dir):
    bundle = tiny(models_dir)
    graph = bundle.folder / "graph.onnx"
    graph.write_bytes(bytes(graph.stat().st_size))
    at = open_page(expanded=["row-community-cloud", "steps-row-community-cloud"])
    assert "This model can’t be used right now" in at.warning[0].value
    assert not at.get("download_button")
