"""Projects and models as files on the page "Teach"."""

import io
import json
import zipfile

from playwright.sync_api import FilePayload, Page, expect

from tests.browser.test_teach import COLD, NO_CAMERA, WARM, Visit, jpeg, row, visit

__all__ = ["visit"]


def undecodable(photo: bytes) -> bytes:
    """Return a photo that is whole and of a right size, but has no Huffman codes."""
    start = photo.index(b"\xff\xc4") + 4
    return photo[:start] + bytes([photo[start], *[255] * 16]) + photo[start + 17 :]


def project(*photos: bytes) -> bytes:
    """Return a project of one label."""
    listed = [{"label": 0, "recording": f"r{at}"} for at in range(len(photos))]
    about = {"format": 1, "title": "Reds", "labels": ["red"], "photos": listed}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as saved:
        saved.writestr("project.json", json.dumps(about))
        for at, photo in enumerate(photos):
            saved.writestr(f"photos/{at + 1:03}.jpg", photo)
    return file.getvalue()


def open_file(page: Page, name: str, data: bytes) -> None:
    file = FilePayload(name=name, mimeType="application/zip", buffer=data)
    page.locator("input[accept]:not([capture])").set_input_files(file)


def test_project_opens_without_a_photo_that_cannot_be_decoded(visit: Visit) -> None:
    page = visit(NO_CAMERA)
    photos = [jpeg(WARM[0]), undecodable(jpeg(WARM[1])), jpeg(COLD[0])]
    open_file(page, "reds-project.zip", project(*photos))
    expect(page.get_by_text("photos/002.jpg is damaged and was left out.")).to_be_visible()
    expect(row(page, "Red").locator(".tv-count")).to_have_text("2")
