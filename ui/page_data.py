"""The app's data for the viewfinder, as JSON. None of it depends on the visit."""

from typing import Any

from model import Bundle, list_models
from model.answer.share_link import MAX_LABELS
from model.browser.device_files import LIMITS, index_json
from model.bundle import is_public
from model.loading import default_model
from model.settings import settings
from ui.app_info import first_words, header_logo

LOOK_UP_URLS = {
    "Wikipedia": "https://en.wikipedia.org/w/index.php?search=",
    "Images": "https://commons.wikimedia.org/w/index.php?ns6=1&search=",
    "Web search": "https://duckduckgo.com/?q=",
}

ROWS = 5
"""Most labels that the viewfinder draws; the page's chart shows the rest."""

OWN_PARAMS = {"engine", "top"}
"""Query parameters that only Streamlit's widgets understand, so Streamlit has to load first."""


def usable_bundles() -> dict[str, Bundle]:
    """Return the models that can be used, by name."""
    return {name: bundle for name, bundle in list_models().items() if isinstance(bundle, Bundle)}


def early_data() -> dict[str, Any]:
    """Return the viewfinder's data before Streamlit; addresses in it begin with ``{base}``."""
    # Without an outside API, the server chooses: not every model has the settings' engine.
    engine = settings().engine if settings().api else None
    about = {"engine": engine, "rows": ROWS, "session": None, "chart": None}
    return {**page_data("{base}"), **about, "isEarly": True}


def page_data(base: str) -> dict[str, Any]:
    """Return the models, words, limits and settings, as ``device/streamlit.mjs`` takes them.

    Args:
        base: the path below which the browser finds the app's routes; ends with a slash.
    """
    bundles, default = usable_bundles(), default_model()
    models = index_json(bundles.values(), default, f"{base}device/")["models"]
    for entry in models:
        bundle = bundles[entry["name"]]
        recipe = bundle.manifest.recipe.model_dump(mode="json")
        # With these, a browser makes the model's pixels.
        entry["described"] = {"version": bundle.version, "recipe": recipe}
        entry["downloads"] = is_public(bundle)
    return {
        "base": base,
        "models": models,
        "model": default,
        "run": settings().run,
        "api": settings().api and {"engine": settings().engine, "host": settings().api_host},
        "limits": LIMITS,
        "corrections": settings().corrections_max > 0,
        "recent": settings().recent,
        "logo": header_logo()[1],
        # If the line is empty, the viewfinder says what the model knows.
        "words": first_words(None),
        "lookUp": [{"name": name, "url": url} for name, url in LOOK_UP_URLS.items()],
        "top": MAX_LABELS,
    }
