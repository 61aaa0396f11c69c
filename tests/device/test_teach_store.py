"""What *Teach* keeps in the browser: reloads, limits, two tabs, undo; project files."""

import base64
import json
import zipfile
from io import BytesIO
from typing import Any

import pytest

from tests.device.node import require_inflate, run_node
from tests.device.site import SLOW_FIREFOX, Site, run_script
from tests.model.tiny import colour
from tests.photos import encoded
from tests.zips import zipped

STORE = """
  const { openStore } = await import("/device/teach/store.mjs");
  const features = (value) => Float32Array.from([value, value]);
  const photoOf = (value, label, recording = `r${value}`) => ({
    label, recording, photo: new Blob([new Uint8Array(100).fill(value)], {type: "image/jpeg"}),
    base: "hash", features: features(value),
  });
  const summary = ({photos, ...rest}) => ({
    ...rest, photos: photos.map((one) => `${one.label} ${one.recording}`),
  });
"""


@pytest.mark.browser
@pytest.mark.parametrize("browser", SLOW_FIREFOX)
def test_project_survives_reload_and_is_changed_and_undone(web: Site, browser: str) -> None:
    script = f"""
      {STORE}
      const steps = {{}};
      let store = await openStore({{prefix: "a"}});
      const ids = [];
      for (const [at, label] of ["mug", "cup", "mug"].entries()) {{
        ids.push(await store.addPhoto(photoOf(at + 1, label)));
      }}
      // The page is left without closing anything, and opened again.
      store = await openStore({{prefix: "a"}});
      const {{photos}} = await store.read();
      steps.bytes = new Uint8Array(await photos[1].photo.arrayBuffer()).slice(0, 2).join();
      steps.reloaded = summary(await store.read());
      steps.features = Array.from(photos.find(({{id}}) => id === ids[2]).features);
      const undoMove = await store.edit({{ids: [ids[0], ids[2]], label: "glass"}});
      steps.moved = summary(await store.read());
      await undoMove();
      const undoRemoval = await store.edit({{ids: [ids[0]], label: null}});
      steps.removed = summary(await store.read());
      const undoTitle = await store.edit({{title: "Kitchen", labels: ["cup", "mug", "pan"]}});
      steps.titled = summary(await store.read());
      await undoTitle();
      await undoRemoval();
      steps.undone = summary(await store.read());
      await store.setModel("kitchen", {{manifest: {{title: "Kitchen"}}, head: features(1)}});
      await store.clear();
      steps.cleared = summary(await store.read());
      steps.models = Array.from(await store.models(), ([name, {{manifest}}]) => [name, manifest]);
      steps.persist = typeof (await store.persist());
      return steps;
    """
    whole = {"title": "", "labels": ["mug", "cup"], "bytes": 324}
    whole |= {"photos": ["mug r1", "cup r2", "mug r3"]}
    moved = {"labels": ["mug", "cup", "glass"], "photos": ["glass r1", "cup r2", "glass r3"]}
    removed = {**whole, "bytes": 216, "photos": ["cup r2", "mug r3"]}
    assert run_script(web, browser, script) == {
        "bytes": "2,2",
        "reloaded": whole,
        "features": [3, 3],
        "moved": {**whole, **moved},
        "removed": removed,
        "titled": {**removed, "title": "Kitchen", "labels": ["cup", "mug", "pan"]},
        "undone": whole,
        "cleared": {"title": "", "labels": [], "bytes": 0, "photos": []},
        "models": [["kitchen", {"title": "Kitchen"}]],
        "persist": "boolean",
    }


@pytest.mark.browser
def test_exceeded_limits_are_reported_and_change_nothing(web: Site) -> None:
    script = f"""
      {STORE}
      const store = await openStore({{prefix: "b"}});
      for (let at = 1; at <= 20; at++) await store.addPhoto(photoOf(at, `label ${{at}}`));
      const refused = {{
        label: await refusal(store.addPhoto(photoOf(21, "label 21"))),
        mark: await refusal(store.edit({{labels: ["\\u202egnp"]}})),
        large: await refusal(store.addPhoto({{
          ...photoOf(1, "label 1"), photo: new Blob([new Uint8Array(61 * 2 ** 20)]),
        }})),
      }};
      for (let at = 20; at < 500; at++) await store.addPhoto(photoOf(1, "label 1"));
      refused.mistake = await refusal(store.addPhoto({{...photoOf(1, "label 1"), photo: null}}));
      refused.count = await refusal(store.addPhoto(photoOf(1, "label 1")));
      const {{photos, labels}} = await store.read();
      // As Firefox while its visitor hasn't answered.
      navigator.storage.persist = () => new Promise(() => {{}});
      const isKept = await store.persist();
      indexedDB.open = () => {{ throw new DOMException("no", "InvalidStateError"); }};
      refused.private = await refusal(openStore());
      return [refused, photos.length, labels.length, isKept];
    """
    refused, *counts = run_script(web, "chromium", script)
    assert counts == [500, 20, False]
    said = {name: f"{one['code']}: {one['message']}" for name, one in refused.items()}
    begins = {
        "label": "limit: 20 labels are the most",
        "mark": "invalid: This name can't be used: it has invisible characters",
        "large": "limit: 60 MB of photos are the most",
        "count": "limit: 500 photos are the most",
        "mistake": "TypeError: ",
        "private": "storage-failed: This browser can't keep photos here",
    }
    assert said.keys() == begins.keys()
    assert all(said[name].startswith(begin) for name, begin in begins.items()), said


@pytest.mark.browser
def test_two_tabs_add_to_one_project(web: Site) -> None:
    # A frame of the same origin has the same storage and channels as another tab.
    web.files["/other.html"] = f"""<!doctype html><script type="module">
      {STORE}
      const store = await openStore({{prefix: "c"}});
      parent.postMessage("ready");
      onmessage = async () => {{
        for (let at = 0; at < 20; at++) await store.addPhoto(photoOf(at, "theirs"));
        parent.postMessage("done");
      }};
    </script>""".encode()
    script = f"""
      {STORE}
      let changes = 0;
      const store = await openStore({{prefix: "c", onchange: () => {{ changes += 1; }}}});
      const frame = Object.assign(document.createElement("iframe"), {{src: "/other.html"}});
      const told = () => new Promise((resolve) => {{ onmessage = resolve; }});
      document.body.append(frame);
      await told();
      frame.contentWindow.postMessage("start");
      const done = told();
      await Promise.all(Array.from({{length: 20}}, (_, at) => store.addPhoto(photoOf(at, "mine"))));
      await done;
      const {{labels, photos}} = await store.read();
      return {{labels: labels.sort(), photos: photos.length, told: changes > 0}};
    """
    result = run_script(web, "chromium", script)
    assert result == {"labels": ["mine", "theirs"], "photos": 40, "told": True}


@pytest.mark.browser
def test_undo_keeps_what_another_tab_changed_since(web: Site) -> None:
    script = f"""
      {STORE}
      const [mine, theirs] = [await openStore({{prefix: "e"}}), await openStore({{prefix: "e"}})];
      const add = (label, at) => mine.addPhoto(photoOf(at + 1, label));
      const ids = await Promise.all(["red", "blue", "blue", "blue"].map(add));
      const undoRemoval = await mine.edit({{labels: ["blue"], ids: [ids[0]], label: null}});
      await theirs.edit({{labels: ["sky"], ids: ids.slice(1), label: "sky"}});
      await undoRemoval();
      const steps = [summary(await mine.read())];
      const undoMove = await mine.edit({{ids: ids.slice(1), label: "sea"}});
      await theirs.edit({{ids: [ids[1]], label: "red"}});
      await theirs.edit({{ids: [ids[2]], label: null}});
      await theirs.setFeatures(ids[3], "another base", features(9));
      await undoMove();
      const now = await mine.read();
      steps.push(summary(now), now.photos.filter(({{base}}) => base === "another base").length);
      return steps;
    """
    removed, moved, newer = run_script(web, "chromium", script)
    assert removed["labels"] == moved["labels"] == ["red", "sky"]
    assert removed["photos"] == ["red r1", "sky r2", "sky r3", "sky r4"]
    assert (moved["photos"], newer) == (["red r1", "red r2", "sky r4"], 1)


@pytest.mark.browser
def test_tabs_with_different_bases_do_not_answer_each_other(web: Site) -> None:
    script = f"""
      {STORE}
      let told = 0;
      const mine = await openStore({{prefix: "f"}});
      const id = await mine.addPhoto(photoOf(1, "mug"));
      await openStore({{prefix: "f", onchange: () => {{ told += 1; }}}});
      await mine.setFeatures(id, "another base", features(9));
      await mine.edit({{title: "Kitchen"}});
      await new Promise((resolve) => setTimeout(resolve, 200));
      return told;
    """
    assert run_script(web, "chromium", script) == 1


@pytest.mark.browser
@pytest.mark.parametrize("browser", SLOW_FIREFOX)
def test_lost_connection_is_opened_again(web: Site, browser: str) -> None:
    script = f"""
      {STORE}
      let [openings, told] = [0, 0];
      const store = await openStore({{prefix: "d", onchange: () => {{ told += 1; }}}});
      await store.addPhoto(photoOf(1, "before"));
      const open = indexedDB.open.bind(indexedDB);
      indexedDB.open = (...all) => {{ openings += 1; return open(...all); }};
      const {{transaction}} = IDBDatabase.prototype;
      const once = (spoil) => {{
        IDBDatabase.prototype.transaction = function (...all) {{
          IDBDatabase.prototype.transaction = transaction;
          return spoil(this, () => transaction.apply(this, all));
        }};
      }};
      once((database, start) => {{ database.close(); return start(); }});
      await Promise.all([2, 3].map((at) => store.addPhoto(photoOf(at, "closed"))));
      // Lost in the middle.
      once((database, start) => {{
        const started = start();
        queueMicrotask(() => started.abort());
        return started;
      }});
      await store.addPhoto(photoOf(4, "aborted"));
      const {{photos}} = summary(await store.read());
      store.close();
      return [photos, openings, told, (await refusal(store.read())).code];
    """
    photos = ["before r1", "closed r2", "closed r3", "aborted r4"]
    assert run_script(web, browser, script) == [photos, 2, 3, "storage-failed"]


PROJECT = """
  const { readProject, writeProject } = await load("teach/project.mjs");
  const bytesOf = async (blob) => Buffer.from(await blob.arrayBuffer()).toString("base64");
  return Promise.all(given.map(async (base64) => {
    try {
      const project = await readProject(new Blob([Buffer.from(base64, "base64")]));
      const photos = project.photos.map(async (one) => ({...one, photo: await bytesOf(one.photo)}));
      const written = await bytesOf(await writeProject(project));
      return { ...project, photos: await Promise.all(photos), written };
    } catch (error) {
      return [error.code ?? error.name, error.message];
    }
  }));
"""
JPEG = encoded(colour("red"))


def project(photo: bytes = JPEG, name: str = "photos/001.jpg", **changes: Any) -> bytes:
    """Return a project's file, made by Python."""
    values = {
        "format": 1,
        "title": "Kitchen",
        "labels": ["mug", "قدح"],
        "photos": [{"label": 1, "recording": "a"}, {"label": 0, "recording": "a"}],
    }
    about = json.dumps({**values, **changes}).encode()
    return zipped({"project.json": about, name: photo, "photos/002.jpg": JPEG})


def open_projects(*files: bytes) -> Any:
    require_inflate()
    return run_node(PROJECT, [base64.b64encode(file).decode() for file in files])


def test_project_file_is_read_and_written() -> None:
    photo = base64.b64encode(JPEG).decode()
    [result] = open_projects(project())
    written = base64.b64decode(result.pop("written"))
    assert result == {
        "title": "Kitchen",
        "labels": ["mug", "قدح"],
        "photos": [
            {"label": "قدح", "recording": "a", "photo": photo},
            {"label": "mug", "recording": "a", "photo": photo},
        ],
    }
    with zipfile.ZipFile(BytesIO(written)) as zipped:
        assert zipped.testzip() is None
        assert zipped.namelist() == ["project.json", "photos/001.jpg", "photos/002.jpg"]
    [again] = open_projects(written)
    again.pop("written")
    assert again == result


def test_hostile_project_files_are_refused() -> None:
    photos = [{"label": 0, "recording": "a"}]
    hostile = {
        "no whole, small JPEG": project(photo=encoded(colour("red"), "PNG")),
        "is no whole, small JPEG": project(photo=JPEG[:-20]),
        "001.jpg is no whole": project(name="../001.jpg"),
        "small JPEG": project(photo=encoded(colour("red", 2001))),
        "photos that it doesn't list": project(photos=photos),
        "isn't valid": project(labels=["mug", "mug"]),
        "json isn't valid": project(title="\u202egnp"),
        "project.json isn't valid": project(photos=[{"label": "length", "recording": "a"}] * 2),
        "its project.json isn't": project(photos=[{"label": 2, "recording": "a"}] * 2),
        "its project.json isn't valid": project(photos=photos * 501),
        "isn't a whole zip": project()[:-1],
    }
    results = open_projects(*hostile.values())
    for why, (code, message) in zip(hostile, results, strict=True):
        assert code == "export-refused"
        assert message.startswith("This project can't be opened: ")
        assert why in message
