"""A taught model over HTTP, and exported."""

from pathlib import Path
from typing import Any

from model.teaching import teach
from tests.model.command import run
from tests.model.teaching.test_teaching import NAMES, photos_of_colours
from tests.model.tiny import colour, tiny
from tests.photos import encoded


def test_taught_model_is_an_ordinary_model(serve: Any, models_dir: Path, tmp_path: Path) -> None:
    tiny(models_dir)
    teach(photos_of_colours(tmp_path / "colours"), "tiny").publish("mine")
    client = serve(LOUPE_MODEL="mine")
    manifest = client.get("/api/v1/models/mine").json()["manifest"]
    assert manifest["labels"] == list(NAMES)
    assert (manifest["metrics"][0]["photos"], manifest["metrics"][0]["unit"]) == (12, "recordings")
    for rgb, answer in (("green", "green"), ((128, 128, 128), None)):
        photo = encoded(colour(rgb), "PNG")
        given = client.post("/api/v1/identify", content=photo).json()
        assert (given["answer"], given["known"]) == (answer, answer is not None)
    result = run("export", "mine", "--to", "onnx", "--out", tmp_path / "onnx")
    assert result.exit_code == 0, result.output
    assert "same decision on “none of these” on" in result.output
