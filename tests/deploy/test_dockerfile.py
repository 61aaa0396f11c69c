"""The Dockerfile and .dockerignore: the two images, their files and their user."""

import re

from deploy import health
from deploy.spec import APP
from model.browser.cache import BUILT_DIR
from model.settings import ROOT, Settings

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
STAGES = dict(re.findall(r"^FROM \S+ AS (\w+)\n(.*?)(?=^FROM|\Z)", TEXT, re.MULTILINE | re.DOTALL))
ALLOWED = re.findall(r"^!(.+?)/?$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)


def copied(stage: str) -> list[str]:
    """Return the paths that a stage copies from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", STAGES[stage], re.MULTILINE)
    return [word.rstrip("/") for line in lines for word in line.split()]


def test_default_image_serves_without_torch() -> None:
    assert list(STAGES) == ["base", "code", "packages", "runtime", "full", APP.image_stage]
    assert f"FROM packages AS {APP.image_stage}\n" in TEXT
    assert f"pip install --require-hashes -r {APP.requirements}\n" in STAGES["packages"]
    assert copied("packages") == [APP.requirements, "requirements-buckets.txt"]
    assert copied(APP.image_stage) == []
    # Packages of buckets only on request.
    for stage in ("full", "packages"):
        assert "ARG BUCKETS=\n" in STAGES[stage]
        assert 'RUN test -z "${BUCKETS}" || pip install --require-hashes -r' in STAGES[stage]
    assert "torch" not in STAGES["packages"] + STAGES[APP.image_stage]


def test_images_run_as_an_ordinary_user() -> None:
    # The user ID with which Hugging Face Spaces runs containers.
    assert "useradd --create-home --uid 1000 loupe" in STAGES["base"]
    for stage in ("full", APP.image_stage):
        assert re.search(r"ARG RUN_AS=loupe\nUSER \$\{RUN_AS\}\n*$", STAGES[stage])


def test_images_have_the_fixed_properties_of_the_app() -> None:
    commands = ('CMD ["app"]', 'CMD ["python", "-m", "deploy.health"]', "STOPSIGNAL SIGTERM")
    lines = (f'ENTRYPOINT ["/app/{APP.entrypoint}"]', f"EXPOSE {APP.port}")
    for line in (*commands, *lines, f"LOUPE_DATA={APP.data_dir}"):
        assert line in STAGES["base"]
    assert APP.ready_path == health.READY_PATH


def test_copied_files_exist_and_are_allowed() -> None:
    sources = {source for stage in STAGES for source in copied(stage)}
    assert all((ROOT / source).exists() for source in sources)
    assert sources == set(ALLOWED)


def test_images_have_the_browsers_files_without_npm() -> None:
    assert f"pip install --require-hashes -r {APP.npm}\n" in STAGES["runtime"]
    assert "LOUPE_DATA=/made python -m model.browser\n" in STAGES["runtime"]
    for stage in ("full", APP.image_stage):
        assert "COPY --from=runtime /made/derived derived/" in STAGES[stage]
        assert "nodejs" not in STAGES[stage]
    # The path in the repository, as in the images.
    assert ROOT / "derived" == BUILT_DIR


def test_image_contains_the_app_without_secrets_and_history() -> None:
    packages = {"model", "ui", "api", "pages", "deploy", "device"}
    assert {*packages, "streamlit_app.py", ".streamlit/config.toml"} <= set(copied("code"))
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in lines if line and not line.startswith("#")) == "*"
    secret = {".git", ".env", ".streamlit/secrets.toml", ".streamlit", "tests", ".venv"}
    assert not secret & set(ALLOWED)


def test_dockerfile_contains_settings_but_no_secret() -> None:
    assert set(re.findall(r"LOUPE_(\w+)=", TEXT)) <= {
        name.upper() for name in Settings.model_fields
    }
    assert not any(name in TEXT for name in APP.secrets)
    assert not re.search(r"(?i)(password|secret|token)\s*=", TEXT)
