"""The owner's Publish page: what can be compared, and where this needs too much memory."""

import pytest

from model.settings import settings
from tests.model.tiny import COLOURS, tiny


@pytest.fixture
def open_page(models_dir, open_owner_page, monkeypatch):
    monkeypatch.setenv("LOUPE_BUILTIN", "false")

    def open_page():
        settings.cache_clear()
        return open_owner_page("publish")

    return open_page


def text(at):
    return "\n".join(element.value for element in [*at.markdown, *at.caption])


def test_versions_and_models_of_the_same_labels_can_be_compared(open_page, models_dir):
    tiny(models_dir)
    assert "train PHOTOS --name tiny --candidate" in text(open_page())
    tiny(models_dir, "other", labels=["rot", *list(COLOURS)[1:]])
    same = tiny(models_dir, "same", labels=[*reversed([*COLOURS])])
    new = tiny(models_dir, corner=True, is_candidate=True)
    at = open_page()
    assert at.selectbox[0].value == "tiny"
    assert at.selectbox[1].options == [f"tiny {new.version}", f"same {same.version}"]
    assert [button.label for button in at.button] == [f"Publish {new.version}", "Add"]
    at.selectbox[1].select_index(1).run()
    assert "This is another model, so it can’t be published" in text(at)
    assert [button.label for button in at.button] == ["Add"]


def test_small_host_publishes_only(open_page, models_dir, monkeypatch):
    monkeypatch.setenv("LOUPE_MEMORY_MB", "512")
    tiny(models_dir)
    new = tiny(models_dir, corner=True, is_candidate=True)
    at = open_page()
    assert text(at).count("1,024 MB of memory, more than this host gives") == 2
    assert not at.file_uploader
    at.checkbox[0].check().run()
    at.button[0].click().run()
    assert f"Published: tiny {new.version}." in at.success[0].value
