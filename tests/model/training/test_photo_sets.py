"""``model.training.photo_sets``: zips, the owner's changes, and links, which are not followed."""

import io
import json
import shutil
import stat
import struct
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from model.errors import ArchiveError, DataError, FolderExists
from model.settings import settings
from model.storage import disk
from model.storage.labelled_photos import discover, find_file
from model.training import photo_sets, unpacked_photos
from model.training.photo_sets import (
    REPORT,
    PhotoSet,
    apply_changes,
    change_photos,
    delete_photo_set,
    get_photo_set,
    list_photo_sets,
    photos_by_label,
    read_changes,
    save_zip,
    sidecar_file,
)
from tests.model.tiny import colour
from tests.photos import drawn, encoded
from tests.zips import central, zipped

MB = 2**20
RED, GREEN, BLUE = (encoded(colour(name), "PNG") for name in ("red", "green", "blue"))
PHOTOS = {"red/a.PNG": RED, "x/green/b.png": GREEN, "green/c": BLUE}


@pytest.fixture(autouse=True)
def _own_data(data_folder: Path) -> None:
    """Photo sets in a data folder of their own."""


def save(files: dict[str, bytes], mode: Any = "new") -> unpacked_photos.SavedPhotos:
    return save_zip("shades", io.BytesIO(zipped(files)), mode=mode)


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def project(*photos: tuple[int, str], labels: tuple[str, ...] = ("red", "green")) -> dict[str, Any]:
    """Return what ``device/teach/project.mjs`` writes."""
    listed = [{"label": label, "recording": recording} for label, recording in photos]
    return {"format": 1, "title": "", "labels": [*labels], "photos": listed}


def project_files(content: Any, count: int) -> dict[str, bytes]:
    jpegs = {f"photos/{n + 1:03}.jpg": encoded(drawn(20, 20, n)) for n in range(count)}
    return {"project.json": json.dumps(content).encode(), **jpegs}


def test_zip_becomes_a_set_and_the_same_again_adds_nothing() -> None:
    saved = save({**PHOTOS, "loose.png": RED, "con/d.png": RED, "notes.txt": b"x"})
    assert (saved.counts, saved.added, saved.refused_count) == ({"green": 2, "red": 1}, 3, 2)
    assert saved.refused == [
        "loose.png: It is in no folder. Use one folder per label.",
        "con/d.png: 'con' can't be a label. Rename it.",
    ]
    shades = get_photo_set("shades")
    names = files_of(shades.folder)
    assert all(len(Path(name).stem) == 24 and name.endswith(".png") for name in names)
    assert save(PHOTOS, "add").added == 0
    assert files_of(shades.folder) == names
    more = save({"blue/e.png": BLUE, "red/f.png": RED}, "add")
    assert more.counts == {"blue": 1, "green": 2, "red": 1}
    with pytest.raises(FolderExists, match="Add to it"):
        save(PHOTOS)
    assert save({"blue/e.png": BLUE}, "replace").counts == {"blue": 1}
    assert [*photos_by_label(shades).by_label] == ["blue"]
    assert {path.name for path in shades.folder.parent.iterdir()} <= {"shades", ".lock"}


def test_photos_of_a_recording_stay_together() -> None:
    entries = [(0, "a"), (0, "a"), (0, "b"), (1, "file-1"), (1, "file-2"), (1, "file-2")]
    save({"red/one.jpg": encoded(drawn(20, 20, 0)), "red/two.jpg": RED})
    assert save(project_files(project(*entries), 6), "add").added == 5
    folder = get_photo_set("shades").folder
    places = sorted(Path(name).parent.as_posix() for name in files_of(folder))
    recordings = ["red/recording-1", "red/recording-2"]
    assert places == ["green", *["green/recording-1"] * 2, "red", "red", *recordings]
    assert save(project_files(project(*entries), 6), "add").added == 0
    # The recording continues, and another begins.
    longer = project_files(project(*entries, (0, "b"), (0, "c")), 8)
    assert save(longer, "add").counts == {"green": 3, "red": 6}
    count = [len([*(folder / "red" / f"recording-{number}").iterdir()]) for number in (1, 2, 3)]
    assert count == [1, 2, 1]


@pytest.mark.parametrize(
    "content",
    [
        [],
        {**project((0, "a")), "format": 2},
        {**project((0, "a")), "more": 1},
        project((2, "a")),
        project((0, "")),
        project((0, "a"), (0, "a")),
        {**project(), "photos": [{"label": "0", "recording": "a"}]},
    ],
)
def test_project_that_is_not_valid_is_refused(content: Any) -> None:
    with pytest.raises(ArchiveError, match="project.json in this zip can't be used"):
        save(project_files(content, 1))
    assert list_photo_sets() == {}


def test_hostile_names_and_links_stay_inside() -> None:
    link = zipfile.ZipInfo("red/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    file = io.BytesIO(zipped({"../../up/a.png": RED, "/abs/b.png": RED, "..\\win\\c.png": RED}))
    with zipfile.ZipFile(file, "a") as opened:
        opened.writestr(link, "/etc/passwd")
    saved = save_zip("shades", file, mode="new")
    assert saved.counts == {"abs": 1, "red": 1, "up": 1, "win": 1}
    root = settings().data
    assert {path.split("/")[0] for path in files_of(root)} == {"photos"}
    assert not any(path.is_symlink() for path in root.rglob("*"))


def test_bombs_and_locked_zips_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_sets, "MAX_SET_BYTES", MB)
    monkeypatch.setattr(photo_sets, "MAX_PHOTOS", 2)
    locked = central(zipped({"red/a.png": RED}), "red/a.png", 8, struct.pack("<H", 1))
    stated = central(zipped({"red/a.png": RED}), "red/a.png", 24, struct.pack("<I", 2 * MB))
    too_many = zipped({f"red/{number}.png": RED for number in range(3)})
    nested = zipped({"red/in.zip": zipped(PHOTOS)})
    for data, why in (
        *((locked, "password"), (stated, "the limit is 0 GB"), (too_many, "at most 2 photos")),
        *((nested, "another zip"), (b"PK", "damaged or incomplete")),
    ):
        with pytest.raises(ArchiveError, match=why):
            save_zip("shades", io.BytesIO(data), mode="new")
    assert list_photo_sets() == {}
    saved = save({"red/in.zip": nested, "red/a.png": RED})
    assert saved.counts == {"red": 1}
    assert "A zip inside a zip isn't opened" in saved.refused[0]


def test_full_set_and_useless_zip_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked_photos, "MAX_PHOTOS", 3)
    save(PHOTOS)
    before = files_of(get_photo_set("shades").folder)
    with pytest.raises(ArchiveError, match="at most 3 photos and 2 GB"):
        save({"blue/e.png": BLUE}, "add")
    with pytest.raises(ArchiveError, match="No photo in this zip can be used. a.png: It is in no"):
        save({"a.png": RED}, "replace")
    monkeypatch.setattr(disk, "free_bytes", lambda _: 10)
    with pytest.raises(DataError, match="Free some disk space"):
        save({"red/e.png": BLUE}, "replace")
    assert files_of(get_photo_set("shades").folder) == before


def test_disk_without_hard_links_gets_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    save(PHOTOS)

    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert save({"blue/e.png": BLUE}, "add").counts == {"blue": 1, "green": 2, "red": 1}


def test_set_is_restored_after_an_interrupted_replacement() -> None:
    save(PHOTOS)
    folder = get_photo_set("shades").folder
    folder.rename(folder.with_name(".loupe-old-shades"))
    assert [*list_photo_sets()] == ["shades"]
    folder.rename(folder.with_name(".loupe-old-shades"))
    assert save({"blue/e.png": BLUE}, "add").counts == {"blue": 1, "green": 2, "red": 1}


def test_changes_are_kept_beside_the_photos() -> None:
    save({**PHOTOS, "blue/d.png": BLUE})
    shades = get_photo_set("shades")
    before = files_of(shades.folder)
    (red,) = photos_by_label(shades).by_label["red"]
    (blue,) = photos_by_label(shades).by_label["blue"]
    change_photos(shades, dict.fromkeys([red, "red/none.png", "../../x"], "dark red"))
    change_photos(shades, {blue: None})
    assert read_changes(shades.changes_file) == {red: "dark red", blue: None}
    found = photos_by_label(shades)
    assert (found.left_out, found.relabelled) == ({blue: "blue"}, {red: "red"})
    assert [*found.by_label] == ["dark red", "green"]
    dataset = apply_changes(discover(shades.folder), read_changes(shades.changes_file))
    assert dataset.labels == ("dark red", "green")
    assert len(dataset.photos) == 3
    assert files_of(shades.folder) == before
    change_photos(shades, dict.fromkeys(found.by_label["green"]))
    with pytest.raises(DataError, match="photos for 1 label"):
        apply_changes(discover(shades.folder), read_changes(shades.changes_file))
    change_photos(shades, dict.fromkeys([*before], ""))
    assert read_changes(shades.changes_file) == {}


@pytest.mark.parametrize("label", [" ", " a", "a/b", ".a", "..", "a" * 61, "\u200b", "a\n", "nul"])
def test_label_must_be_a_folder_name(label: str) -> None:
    save(PHOTOS)
    with pytest.raises(DataError, match="can't be a label"):
        change_photos(get_photo_set("shades"), {"x": label})


def test_new_names_that_some_disk_takes_for_others_are_refused() -> None:
    save({"hat/a.png": RED, "\u00fc/b.png": GREEN})
    shades = get_photo_set("shades")
    before = files_of(shades.folder)
    for again in (
        lambda: save({"Hat/c.png": BLUE}, "add"),
        lambda: change_photos(shades, {"hat/a.png": "Hat"}),
        lambda: save({"hat/a.png": RED, "Hat/c.png": BLUE}, "replace"),
    ):
        with pytest.raises(DataError, match=r"“(hat|Hat)” and “(hat|Hat)” differ only in case"):
            again()
    with pytest.raises(DataError, match="differ only in case"):
        change_photos(shades, {"hat/a.png": "u\u0308"})
    shades.folder.rename(shades.folder.with_name("Shades"))
    with pytest.raises(DataError, match="“Shades” and “shades” differ only in case"):
        save(PHOTOS)
    with pytest.raises(DataError, match="Windows reserves the name 'con'"):
        save_zip("con", io.BytesIO(zipped(PHOTOS)), mode="new")
    assert files_of(shades.folder.with_name("Shades")) == before


@pytest.mark.skipif(sys.platform != "linux", reason="other disks ignore case")
def test_names_that_some_disk_takes_for_others_stay_if_they_exist() -> None:
    for label in ("hat", "Hat"):
        (settings().data / "photos" / "con" / label).mkdir(parents=True)
        (settings().data / "photos" / "con" / label / "a.png").write_bytes(RED)
    saved = save_zip("con", io.BytesIO(zipped({"Hat/b.png": BLUE})), mode="add")
    assert saved.counts == {"Hat": 2, "hat": 1}
    change_photos(get_photo_set("con"), {"hat/a.png": "Hat"})
    assert [*photos_by_label(get_photo_set("con")).by_label] == ["Hat"]


def test_changes_of_two_tabs_are_all_kept() -> None:
    save({f"red/{number}.png": encoded(drawn(9, 9, number), "PNG") for number in range(12)})
    shades = get_photo_set("shades")
    names = photos_by_label(shades).by_label["red"]
    tabs = [threading.Thread(target=change_photos, args=(shades, {name: "x"})) for name in names]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert read_changes(shades.changes_file) == dict.fromkeys(names, "x")


def test_damaged_changes_say_what_to_do() -> None:
    save(PHOTOS)
    shades = get_photo_set("shades")
    shades.changes_file.parent.mkdir()
    for text in ("{", "[]", '{"a": 1}'):
        shades.changes_file.write_text(text)
        with pytest.raises(DataError, match="Delete it"):
            photos_by_label(shades)


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PhotoSet:
    """A set of ``LOUPE_PHOTOS``, with links out of it."""
    root, secret = tmp_path / "root", tmp_path / "secret"
    for path in (root / "birds/owl/a.png", root / "birds/jay/b.png", secret / "owl/s.png"):
        path.parent.mkdir(parents=True)
        path.write_bytes(RED)
    (root / "birds/owl/file.png").symlink_to(secret / "owl/s.png")
    (root / "birds/owl/folder").symlink_to(secret / "owl")
    (root / "birds/label").symlink_to(secret / "owl")
    (root / "linked").symlink_to(secret)
    (root / "No Name").mkdir()
    (root / "birds/owl/.hidden.png").write_bytes(RED)
    monkeypatch.setenv("LOUPE_PHOTOS", str(root))
    settings.cache_clear()
    return get_photo_set("birds")


def test_sets_of_the_owners_folder_are_read_without_links(outside: PhotoSet) -> None:
    assert list_photo_sets() == {"birds": outside}
    assert photos_by_label(outside).by_label == {"jay": ["jay/b.png"], "owl": ["owl/a.png"]}
    assert len(discover(outside.folder, follow_links=False).photos) == 2
    assert len(discover(outside.folder).photos) == 4
    with pytest.raises(DataError, match="read-only"):
        save_zip("birds", io.BytesIO(zipped(PHOTOS)), mode="replace")
    with pytest.raises(DataError, match="read-only"):
        delete_photo_set(outside)
    change_photos(outside, dict.fromkeys(["owl/a.png", "owl/file.png"], "jay"))
    assert read_changes(outside.changes_file) == {"owl/a.png": "jay"}
    assert outside.changes_file.is_relative_to(settings().data)
    with pytest.raises(DataError, match="Available: birds"):
        get_photo_set("beetles")


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "/", "owl", "owl/", "/etc/passwd", "../birds/owl/a.png"),
        *("owl/../owl/a.png", "owl//a.png", "./owl/a.png", "owl/.hidden.png", "owl/file.png"),
        *("owl/folder/s.png", "label/s.png", "owl\\a.png", "owl/a.png\0", "a" * 5000, "owl/\udcff"),
    ],
)
def test_names_find_only_photos_in_the_set(outside: PhotoSet, name: str) -> None:
    assert find_file(outside.folder, name) is None
    assert find_file(outside.folder, "owl/a.png") == outside.folder / "owl/a.png"


def test_own_set_hides_another_and_is_deleted_with_its_changes(outside: PhotoSet) -> None:
    own = settings().data / "photos" / "birds"
    shutil.copytree(outside.folder / "jay", own / "jay")
    found = get_photo_set("birds")
    assert (found.folder, found.is_own) == (own, True)
    change_photos(found, {"jay/b.png": None})
    sidecar_file("birds", REPORT).touch()
    delete_photo_set(found)
    delete_photo_set(found)
    assert get_photo_set("birds") == outside
    files = [path for path in own.parent.rglob("*") if path.is_file()]
    assert [path for path in files if "lock" not in path.name] == []
