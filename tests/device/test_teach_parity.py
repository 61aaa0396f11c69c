"""The *Teach* page and ``model.teaching`` make one model of the same sixty photos."""

import base64
from pathlib import Path

import numpy as np
import pytest

from model.calibration.fit import probabilities
from model.teaching import teach
from model.teaching.loupe_file import read_loupe
from model.teaching.taught_bundle import publish_head
from tests.device.site import Site, run_script
from tests.model.training.pictures import picture

LABELS = ["disc", "square", "turned"]
TEACH = """
  const { load } = await import("/device/loupe.mjs");
  const { writeLoupe } = await import("/device/teach/loupe_file.mjs");
  const base = await load("/models/imagenet/");
  const photos = [];
  for (const label of LABELS) {
    for (let number = 0; number < 20; number++) {
      const recording = `${label}/${number}.png`;
      const features = await base.features(new Blob([await fetchBytes("/" + recording)]));
      photos.push({ label, recording, features });
    }
  }
  const { taught } = await base.teach({ title: "photos", labels: LABELS, photos });
  const file = writeLoupe(await base.addGolden(taught));
  return {
    file: btoa(String.fromCharCode(...new Uint8Array(await file.arrayBuffer()))),
    features: photos.map(({ features }) => Array.from(features)),
  };
""".replace("LABELS", str(LABELS))


@pytest.mark.slow
@pytest.mark.browser
def test_page_and_python_make_one_model(web: Site, tmp_path: Path, models_dir: Path) -> None:
    folder = tmp_path / "photos"
    for place, label in enumerate(LABELS):
        (folder / label).mkdir(parents=True)
        for number in range(20):
            image = picture(label.replace("turned", "square"), 1000 * place + number)
            image = image.rotate(45) if label == "turned" else image
            image.save(path := folder / label / f"{number}.png")
            web.files[f"/{label}/{number}.png"] = path.read_bytes()
    taught = teach(folder)
    result = run_script(web, "chromium", TEACH)
    manifest, head = read_loupe(base64.b64decode(result["file"]))
    features = np.array(result["features"], np.float32)
    shares, expected = (
        probabilities(one.logits(features), one.temperature) for one in (head, taught.head)
    )
    assert np.abs(shares - expected).max() < 1e-3
    assert head.ood_threshold == pytest.approx(taught.head.ood_threshold, abs=1e-5)
    same = {"labels", "base", "promise", "photos", "groups", "accuracy"}
    assert manifest.model_dump(include=same) == taught.manifest.model_dump(include=same)
    assert (manifest.promise, sum(manifest.photos)) == (0.95, 60)
    # It is refused unless its bundle gives the page's golden outputs.
    assert publish_head(manifest, head, "theirs", models_dir=models_dir).labels == tuple(LABELS)
