"""The command ``compare``."""

import json
from pathlib import Path

from tests.model.command import run
from tests.model.tiny import COLOURS, colour, tiny


def test_words_tables_and_json_show_the_change(models_dir: Path, tmp_path: Path) -> None:
    old = f"tiny@{tiny(models_dir).version}"
    tiny(models_dir, corner=True)  # the current version sees the upper left corner alone
    photos = ("red", "red", "red"), ("red", "blue", "red"), ("green", "green", "white")
    for label, fill, corner in photos:
        image = colour(fill)
        image.paste(COLOURS[corner], (0, 0, 24, 24))
        (tmp_path / label).mkdir(exist_ok=True)
        image.save(tmp_path / label / f"{fill}.png")
    result = run("compare", old, "tiny", tmp_path)
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "The new one needs a second look before it replaces the old"
    words = "right on as many of the same 3 photos: +0.0 points (95% CI −"
    assert lines[2].startswith(f"The new one is {words}")
    assert {"old right 1 1", "old wrong 1 0", "green 1 1 0 -1", "red 2 1 2 +1"} <= {*lines}
    changed = lines[lines.index("changed photo actual old new") + 1 :]
    assert changed == ["green/green.png green green white", "red/blue.png red blue red"]

    (tmp_path / "red" / "bad.jpg").write_bytes(b"no photo")
    result = run("compare", old, "tiny", tmp_path, "--json")
    assert result.exit_code == 1
    assert "red/bad.jpg: " in result.stderr
    values = json.loads(result.stdout)
    assert values["old"]["refused"] == values["new"]["refused"] != []
    assert (values["table"]["only_new"], values["labels"]["green"]["net"]) == (1, -1)
    assert (values["verdict"]["may_replace"], len(values["changed"])) == (False, 2)


def test_unfit_models_and_folders_exit_with_2(models_dir: Path, tmp_path: Path) -> None:
    tiny(models_dir)
    tiny(models_dir, "other", labels=["rot", *list(COLOURS)[1:]])
    (tmp_path / "photos" / "red").mkdir(parents=True)
    for old, new, message in (
        ("tiny", "other", "Only one model has the labels red, rot."),
        ("tiny@123", "tiny", "tiny has no version '123'. Available: "),
        ("tiny", "nope", "No model named 'nope'."),
        ("tiny", "tiny", "No photos found"),
    ):
        result = run("compare", old, new, tmp_path / "photos")
        assert result.exit_code == 2
        assert result.stderr.startswith(f"Error: {message}")
