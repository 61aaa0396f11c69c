"""Teaching in the browser: photos in, a model out, beside and in place of its base."""

import json
import re

import numpy as np
import pytest

from tests.device.site import SLOW_FIREFOX, Site, run_script
from tests.device.test_few_shot_head import fit_sklearn
from tests.model.tiny import colour, tiny
from tests.photos import encoded

pytestmark = pytest.mark.browser

FEATURES = {"size": 3, "sha256": "5" * 64, "fallback_cosine": 0.9, "near_copy": 0.99999}
WARM = ((250, 90, 20), (240, 130, 60), (230, 70, 90))
PHOTOS = {f"warm/{at}.jpg": rgb for at, rgb in enumerate(WARM)}
PHOTOS |= {f"cold/{at}.jpg": rgb[::-1] for at, rgb in enumerate(WARM)}

TEACH = f"""
  const {{ load }} = await import("/device/loupe.mjs");
  const {{ headline, trustLines, toText }} = await import("/device/view/phrasing.mjs");
  const base = await load("/models/teachable/");
  const photos = [];
  for (const file of {json.dumps(list(PHOTOS))}) {{
    const taken = await base.takePhoto(new Blob([await fetchBytes("/" + file)]));
    photos.push({{label: file.split("/")[0], recording: file, ...taken}});
  }}
  const project = {{title: "My colours", labels: ["warm", "cold"], photos}};
  const {{taught, result}} = await base.teach(project);
  const model = await base.attach(taught);
  const paint = async (...rgb) => {{
    const canvas = new OffscreenCanvas(64, 64);
    const context = canvas.getContext("2d");
    context.fillStyle = `rgb(${{rgb}})`;
    context.fillRect(0, 0, 64, 64);
    return canvas.convertToBlob({{type: "image/png"}});
  }};
  const say = (one, prediction) => toText(headline(one.info, prediction));
"""


@pytest.fixture(scope="module")
def teachable(web: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site with a base whose features are the mean colour, and photos to teach it."""
    info = web.add_model(tiny(tmp_path_factory.mktemp("teach"), "teachable"))
    info["graphs"]["small"]["features"] = FEATURES
    web.files["/models/teachable/model.json"] = json.dumps(info).encode()
    for name, rgb in PHOTOS.items():
        web.files[f"/{name}"] = encoded(colour(rgb, 400), quality=95)
    return web


@pytest.mark.parametrize("browser", SLOW_FIREFOX)
def test_taught_model_answers_beside_its_base(teachable: Site, browser: str) -> None:
    script = f"""
      {TEACH}
      const [orange, green] = [await paint(245, 100, 40), await paint(0, 255, 0)];
      const [seen, strange] = [await model.identify(orange), await model.identify(green)];
      // Another one of the same photos, at the same time.
      const labels = ["cold", "warm"];
      const other = await base.attach((await base.teach({{...project, labels, title: ""}})).taught);
      // Recorded once, so that nothing is left to test on.
      const once = photos.map((photo) => ({{...photo, recording: photo.label}}));
      const untested = await base.attach((await base.teach({{...project, photos: once}})).taught);
      const guess = await untested.identify(orange);
      return {{
        seen, strange,
        said: [say(model, seen), say(model, strange)],
        lines: [trustLines(model.info, seen), trustLines(model.info, strange)],
        other: (await other.identify(orange)).candidates,
        title: other.info.title,
        guess: [say(untested, guess), ...trustLines(untested.info, guess).map(toText)],
        own: (await base.identify(await paint(255, 0, 0))).answer,
        info: model.info, manifest: taught.manifest,
        features: photos.map(({{features}}) => Array.from(features)),
        orange: Array.from(await base.features(orange)),
        sizes: await Promise.all(photos.map(async ({{photo}}) => {{
          const {{width, height}} = await createImageBitmap(photo);
          return [photo.type, width, height];
        }})),
        accuracy: result.accuracy,
      }};
    """
    result = run_script(teachable, browser, script)
    features = np.array(result["features"], np.float32)
    expected_features = np.array(list(PHOTOS.values())) / 255
    np.testing.assert_allclose(features, expected_features, atol=0.02)
    assert result["sizes"] == [["image/jpeg", 100, 100]] * 6
    fitted = fit_sklearn(features, [0, 0, 0, 1, 1, 1])
    expected = fitted.decision_function([result["orange"]])[0] / result["manifest"]["temperature"]
    seen = result["seen"]
    assert seen["answer"] == "warm"
    assert seen["candidates"][0]["probability"] == pytest.approx(1 / (1 + np.exp(expected)), 1e-3)
    assert seen["known"] is True
    assert seen["model"] == result["info"]["name"] == f"taught-{seen['version']}"
    assert result["strange"]["answer"] is None
    assert result["said"][1].startswith("None of the two things I know (closest: ")
    assert result["lines"] == [
        [["Right for 6 of 6 recordings, each left out in turn"]],
        # Six recordings are too few for a promise.
        [],
    ]
    headline, line = result["guess"]
    assert headline == "My best guess: warm"
    assert re.fullmatch(r"This model says \d+%, but it was never tested\.", line)
    assert result["other"] == seen["candidates"]
    assert (result["info"]["title"], result["title"]) == ("My colours", "cold, warm")
    assert result["own"] == "red"
    assert result["manifest"]["labels"] == result["info"]["labels"] == ["warm", "cold"]
    assert result["accuracy"]["counted"] == [3, 3]


def test_taught_model_watches_explains_and_is_dropped(teachable: Site) -> None:
    script = f"""
      {TEACH}
      const blue = await paint(30, 80, 245);
      const bitmap = await createImageBitmap(blue);
      const canvas = Object.assign(document.createElement("canvas"), {{width: 64, height: 64}});
      const video = Object.assign(document.createElement("video"), {{muted: true}});
      video.srcObject = canvas.captureStream(30);
      const painting = setInterval(() => canvas.getContext("2d").drawImage(bitmap, 0, 0), 30);
      await video.play();
      const seen = [];
      for await (const {{answer}} of model.watch(video, {{average: 2}})) {{
        seen.push(answer);
        if (seen.length === 3) break;
      }}
      // The base's outputs aren't averaged with those of a model on it.
      for await (const {{answer}} of base.watch(video, {{average: 2}})) {{
        seen.push(answer);
        break;
      }}
      const region = {{x: 8, y: 8, width: 32, height: 32}};
      const taken = await base.takePhoto(video, {{region}});
      clearInterval(painting);
      const {{rows}} = await model.explain(blue);
      const alone = await load("/models/teachable/", {{taught}});
      const again = (await alone.identify(blue)).answer;
      model.close();
      alone.close();
      return {{
        seen, rows, again, features: Array.from(taken.features), bytes: taken.photo.size,
        dropped: (await refusal(model.identify(blue))).code,
        base: (await base.identify(blue)).answer,
        closed: (await refusal(alone.identify(blue))).code,
      }};
    """
    result = run_script(teachable, "chromium", script)
    assert result["seen"] == ["cold", "cold", "cold", "blue"]
    assert result["rows"] > 1
    assert result["again"] == "cold"
    np.testing.assert_allclose(result["features"], np.array([30, 80, 245]) / 255, atol=0.03)
    assert result["dropped"] == result["closed"] == "engine-unavailable"
    assert result["base"] == "blue"


@pytest.mark.slow
def test_saved_model_opens_elsewhere_without_a_photo(teachable: Site) -> None:
    script = f"""
      {TEACH}
      const {{ readLoupe, writeLoupe }} = await import("/device/teach/loupe_file.mjs");
      const orange = await paint(245, 100, 40);
      const file = writeLoupe(await base.addGolden(taught));
      const opened = await readLoupe(file);
      const elsewhere = await load("/models/teachable/", {{taught: opened}});
      const wrong = structuredClone(opened);
      wrong.manifest.golden.novelty[1] += 0.01;
      const other = structuredClone(opened);
      other.manifest.base.features = "0".repeat(64);
      return {{
        size: file.size,
        answers: [await elsewhere.identify(orange), await model.identify(orange)],
        unsaved: (await refusal(readLoupe(writeLoupe(taught)))).code,
        wrong: (await refusal(base.attach(wrong))).code,
        other: (await refusal(base.attach(other))).code,
        noBase: (await refusal(load("/models/tiny/", {{graph: "full", taught: opened}}))).code,
      }};
    """
    result = run_script(teachable, "chromium", script)
    assert result["size"] < 3000
    elsewhere, here = ({**answer, "milliseconds": 0} for answer in result["answers"])
    assert elsewhere == here
    assert (result["unsaved"], result["wrong"]) == ("export-refused", "golden-mismatch")
    assert (result["other"], result["noBase"]) == ("bundle-damaged", "engine-unavailable")


@pytest.mark.slow
def test_project_continues_on_another_or_a_recalibrated_base(teachable: Site) -> None:
    path = "/models/teachable/model.json"
    info = json.loads(teachable.files[path] or b"")
    small = info["graphs"]["small"]
    calibration = {"label_thresholds": None, "ood_threshold": 9.0}
    graphs = {**info["graphs"], "small": {**small, "calibration": calibration}}
    again = {**info, "version": "9" * 12, "graphs": graphs}
    features = {**FEATURES, "sha256": "6" * 64}
    other = {**info, "graphs": {**info["graphs"], "small": {**small, "features": features}}}
    script = f"""
      {TEACH}
      const {{ openStore }} = await import("/device/teach/store.mjs");
      const {{ noProject, TeachProject }} = await import("/device/view/teach_project.mjs");
      const store = await openStore({{prefix: "bases"}});
      // As another base has seen them: all alike.
      const seen = {{base: "another", features: new Float32Array(7)}};
      const ids = [];
      for (const photo of photos) ids.push(await store.addPhoto({{...photo, ...seen}}));
      const kept = (await store.read()).photos[3].photo;
      const saved = await base.addGolden(taught);
      const found = {{}};
      for (const name of ["again", "other"]) {{
        const [address, state] = [`/models/${{name}}/`, noProject()];
        const closing = new AbortController();
        await new Promise((resolve) => {{
          const change = (changes) => {{
            Object.assign(state, changes);
            if (changes.outcome) resolve();
          }};
          new TeachProject(state, change, {{address, prefix: "bases"}}, closing.signal);
        }});
        const now = await load(address);
        const model = await now.attach(state.taught);
        found[name] = {{
          answer: (await model.identify(await paint(30, 80, 245))).answer,
          kept: Array.from((await store.read()).photos.find(({{id}}) => id === ids[3]).features),
          computed: Array.from(await now.features(kept)),
          attached: await now.attach(saved).then(({{info}}) => info.labels, ({{code}}) => code),
        }};
        closing.abort();
      }}
      return found;
    """
    files: dict[str, bytes | None] = {
        path.replace("teachable", name): json.dumps(one).encode()
        for name, one in (("again", again), ("other", other))
    }
    folder = teachable.folders["/models/teachable/"]
    teachable.folders.update({f"/models/{name}/": folder for name in ("again", "other")})
    with teachable.changed({**teachable.files, **files}):
        found = run_script(teachable, "chromium", script)
    for result in found.values():
        assert result["answer"] == "cold"
        assert result["kept"] == result["computed"]
    assert found["again"]["attached"] == ["warm", "cold"]
    assert found["other"]["attached"] == "bundle-damaged"
