"""A model from a file, added by the owner: a fastai export, or one that *Teach* saved."""

from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from model import Bundle, LoupeError
from model.browser.device_files import make_ahead
from model.bundle import check_name, current_version, hold_back
from model.errors import EngineUnavailable
from model.events import Progress
from model.settings import settings
from model.storage.disk import require_space
from ui.phrasing import escape_markdown, phrase_error
from ui.publish_view import MIN_MEMORY_MB
from ui.session_state import release_upload

TYPES = ("pkl", "loupe")
CHUNK_BYTES = 2**20


class _Stages(Progress):
    """Shows the stages and notes of an import."""

    def __init__(self) -> None:
        self._status = st.status("Reading the file", expanded=True)

    def update(self, stage: str, done: int, total: int) -> None:
        self._status.update(label=stage)

    def note(self, text: str) -> None:
        self._status.write(escape_markdown(text))


def show_add_model() -> None:
    """Let the owner add a model by a file. Nothing in the file is run."""
    st.subheader("Add a model", anchor=False)
    st.write("A file that `learn.export()` wrote, or one that *Teach* saved. Nothing in it is run.")
    if settings().memory_mb < MIN_MEMORY_MB:
        st.write(f"That needs {MIN_MEMORY_MB:,} MB of memory, more than this host gives.")
        return
    limit_mb = min(200, settings().upload_mb)
    with st.form("add", border=False, clear_on_submit=True):
        file = st.file_uploader("The file", type=TYPES, max_upload_size=limit_mb)
        name = st.text_input("The model’s name, for links", placeholder="mushrooms", width=320)
        is_sent = st.form_submit_button("Add")
    if not is_sent:
        return
    if file is None:
        st.error("Choose a file first.")
        return
    try:
        check_name(name)
        bundle = _import(file, name)
    except LoupeError as error:
        st.error(f"Not added: {phrase_error(error)}")
        return
    finally:
        release_upload(file)
    title = escape_markdown(bundle.manifest.title)
    if current_version(bundle.folder.parent) == bundle.version:
        hold_back(bundle, is_held=True)
        with st.spinner("Making its files for browsers…"):
            make_ahead(bundle)
        st.success(f"Added: “{title}”. Visitors find it in the list of models.")
    else:
        st.success(f"Added as version {bundle.version} of “{title}”. Compare it above.")


def _import(file: UploadedFile, name: str) -> Bundle:
    models, suffix = settings().data / "models", Path(file.name).suffix.lower()
    require_space(models, 3 * file.size)
    with TemporaryDirectory(prefix="loupe-import-") as folder:
        path = Path(folder, f"{name}{suffix}")
        with path.open("wb") as copy:
            while chunk := file.read(CHUNK_BYTES):
                copy.write(chunk)
        # Long before the import ends, another visitor may need the memory.
        release_upload(file)
        try:
            if suffix == ".loupe":
                from model.teaching.loupe_file import MAX_BYTES, read_loupe
                from model.teaching.taught_bundle import publish_head

                with path.open("rb") as saved:
                    manifest, head = read_loupe(saved.read(MAX_BYTES + 1))
                return publish_head(manifest, head, name, is_candidate=True)
            from model.importing.convert.importer import import_export

            stages = _Stages()
            return import_export(path, name, is_candidate=True, progress=stages).bundle
        except ImportError as error:
            raise EngineUnavailable(f"This host lacks {error.name}. Import it elsewhere.") from None
