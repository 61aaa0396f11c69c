"""``ui.batch.uploads``: the photos in an upload."""

from io import BytesIO
from typing import cast

import pytest
from streamlit.runtime.uploaded_file_manager import UploadedFile

from model.errors import DataError
from ui.batch.uploads import queue_photos


class FakeUpload(BytesIO):
    """A file as Streamlit hands it over."""

    def __init__(self, name):
        super().__init__(b"bytes")
        self.name = name


def test_folder_upload_keeps_the_path_and_the_last_folder():
    files = [FakeUpload(name) for name in ("all/robin/a.jpg", "b.jpg", "../../etc/c.jpg")]
    photos = queue_photos(cast("list[UploadedFile]", files))
    assert [(photo.name, photo.folder) for photo in photos] == [
        ("all/robin/a.jpg", "robin"),
        ("b.jpg", None),
        ("etc/c.jpg", "etc"),
    ]
    assert photos[0].read() == b"bytes"


@pytest.mark.parametrize("names", [[".hidden.jpg"], ["._a.jpg", "x/.git/b.jpg"], ["\u202e"]])
def test_upload_without_a_photo_is_refused(names):
    with pytest.raises(DataError, match="None of these files is a photo"):
        queue_photos(cast("list[UploadedFile]", [FakeUpload(name) for name in names]))
