"""The empty viewfinder as HTML, so that a visitor has something to see before any script runs.

It has the viewfinder's own style sheets, in a shadow root, and so its sizes: the real one takes its
place without a jump. Only ``first`` stands for ``vf`` in its classes.
"""

import re
from functools import cache
from html import escape
from string import Template

from model import Bundle
from model.browser.page_files import PAGE_DIR
from ui.app_info import app_title, first_words, header_logo
from ui.navigation import navigation_html

HINT = (
    '<div class="first-hint"><svg class="first-icon" viewBox="0 0 24 24" aria-hidden="true">'
    '<path d="M4 10a6 6 0 1 0 12 0a6 6 0 1 0-12 0M14.5 14.5 20 20"/></svg>Loupe</div>'
)
WORDS = (
    '<div class="first-head"><h2 class="first-headline" data-desk="$desk">$headline</h2></div>'
    '<p class="first-sub">$line</p>'
)
PLACE = (
    '<li><div class="first-sample"><div class="first-thumb"></div>'
    '<span class="first-title">&nbsp;</span></div></li>'
)
SAMPLES = '<h3 class="first-small">Or try one of these</h3><ul class="first-places">$places</ul>'
COLOURS = {"#0F766E": "accent", "#0B1917": "ink", "#FFFFFF": "ground"}
THEME = re.compile(r"^[^{}@/]*\[data-theme[^{]*\{([^}]*)\}", re.MULTILINE)


def first_screen(bundle: Bundle | None, samples: int, *, is_answer: bool) -> str:
    """Return the first screen's HTML.

    Args:
        bundle: the model that the address asks for, or the one that opens.
        samples: number of sample photos.
        is_answer: leave the frame empty, because an answer will be shown in it.
    """
    logo, width = header_logo()
    for colour, name in COLOURS.items():
        logo = logo.replace(colour, f"var(--{name})")
    words = {name: escape(text) for name, text in first_words(bundle).items()}
    places = Template(SAMPLES).substitute(places=PLACE * samples) if samples else ""
    html = Template(_read("first/screen.html")).substitute(
        styles=_styles(),
        logo=logo,
        logo_width=width,
        title=escape(app_title(bundle)),
        hint="" if is_answer else HINT,
        words="" if is_answer else Template(WORDS).substitute(words),
        # Without samples their place stays, so that nothing moves when the camera opens.
        samples=""
        if is_answer
        else f'<div class="first-samples" aria-hidden="true">{places}</div>',
    )
    return f"\n{html}    <script>\n{_read('first/screen.js')}    </script>"


@cache
def every_page(logo: int, *, is_owner: bool = False) -> str:
    """Return the HTML of every page: the links to all, and what says that the server is gone.

    Args: see ``navigation_html``.
    """
    light, dark, both = _themes()
    own = "#gone, #early, #pages"
    css = (
        f"{own} {{{light}{both}}} :is({own})[data-theme='dark'] {{{dark}}} "
        f"@media (prefers-color-scheme: dark) {{ #pages:not([data-theme='light']) {{{dark}}} }}"
    )
    for name in ("early", "navigation", "connection"):
        css += _read(f"first/{name}.css")
    scripts = "".join(_read(f"first/{name}.js") for name in ("navigation", "connection"))
    return (
        f"\n    <style>{_shorten(css)}</style>\n    {navigation_html(logo, is_owner=is_owner)}"
        f'\n    <div id="gone" role="status"></div>\n    <script>\n{scripts}    </script>'
    )


@cache
def _styles() -> str:
    """Return the viewfinder's styles; the system decides between light and dark."""
    light, dark, both = _themes()
    css = (
        f":host {{{light}{both}}} :host([data-theme='dark']) {{{dark}}} "
        f"@media (prefers-color-scheme: dark) {{ :host(:not([data-theme='light'])) {{{dark}}} }}"
    )
    for name in ("view/viewfinder", "view/layouts", "first/screen"):
        css += _read(f"{name}.css")
    return re.sub(r"\.vf\b", ".first", _shorten(css))


def _themes() -> list[str]:
    """Return the declarations of the tokens: light, dark, and those of both."""
    return THEME.findall(_read("view/tokens.css"))


def _shorten(css: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL))


@cache
def _read(name: str) -> str:
    return (PAGE_DIR / name).read_text(encoding="utf-8")
