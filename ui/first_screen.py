"""What a page's HTML has for a first visit over a slow network.

The empty viewfinder gives a visitor something to see before any script runs. It has the
viewfinder's own style sheets, in a shadow root, and so its sizes: the real one takes its place
without a jump. Only ``first`` stands for ``vf`` in its classes.
"""

import json
import re
from functools import cache
from html import escape
from string import Template

import streamlit as st

from model import Bundle
from model.browser.page_files import PAGE_DIR, FirstVisit
from ui.app_info import LIGHT, THEMES, app_title, first_words, header_logo
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

MODULES = re.compile(
    r'\s*<(?:script type="module"|link\s+rel="(?:modulepreload|preload)")[^>]*>(?:</script>)?'
)
"""Streamlit's modules, and its font, 170 kB that the first photo doesn't need."""

SHEET = re.compile(r'\s*<link rel="stylesheet"[^>]*href="([^"]*)"[^>]*>')
"""Streamlit's style sheet. In the head, nothing would be drawn before it arrives."""

FONT = """
    <style>
      /* Until Source Sans arrives, a font as wide, so that lines break at the same words. */
      @font-face {
        font-family: "Source Sans 3";
        src: local("Roboto"), local("Helvetica Neue"), local("Arial"), local("Liberation Sans");
        size-adjust: 93%;
      }
    </style>"""

HOST = """
    <script>
      window.__streamlit = {
        // Known here, so that the connection begins without asking for it.
        BACKEND_BASE_URL: new URL(".", location).href,
        HOST_CONFIG: %s,
      };
    </script>"""

LOAD = (PAGE_DIR / "first" / "load.js").read_text(encoding="utf-8")
START = PAGE_DIR / "first" / "start.js"
"""Starts the app where scripts in the page don't run; served as ``start.js``."""


def first_screen(bundle: Bundle | None, samples: int, *, is_answer: bool) -> str:
    """Return the first screen's HTML, for a model and a number of sample photos.

    With ``is_answer``, its frame is empty, because an answer will be shown in it.
    """
    logo, width = header_logo({name: f"var(--{name})" for name in LIGHT})
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
    """Return the HTML of every page: ``navigation_html``, and what says that the server is gone."""
    light, dark, both = THEMES
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
    light, dark, both = THEMES
    css = (
        f":host {{{light}{both}}} :host([data-theme='dark']) {{{dark}}} "
        f"@media (prefers-color-scheme: dark) {{ :host(:not([data-theme='light'])) {{{dark}}} }}"
    )
    for name in ("view/viewfinder", "view/layouts", "first/screen"):
        css += _read(f"{name}.css")
    return re.sub(r"\.vf\b", ".first", _shorten(css))


def _shorten(css: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL))


@cache
def _read(name: str) -> str:
    return (PAGE_DIR / name).read_text(encoding="utf-8")


def add_first_visit(html: str, visit: FirstVisit | None) -> str:
    """Return Streamlit's page with additions; ``visit`` is None until modules are compressed."""
    config = {
        "allowedOrigins": st.get_option("client.allowedOrigins"),
        "useExternalAuthToken": False,
        # When the server goes away, the viewfinder or the page's last line says so. The dialog,
        # which tells visitors to run Streamlit, would cover them.
        "blockErrorDialogs": True,
    }
    head, start = FONT + HOST % to_script(config), ""
    if visit:
        html = MODULES.sub("", html)
        sheet = SHEET.search(html)
        files = {**visit, "sheet": sheet[1] if sheet else ""}
        start = f"\n    <script>\n{LOAD.replace('= VISIT;', f'= {to_script(files)};')}    </script>"
        html = SHEET.sub("", html)
    # A file of its own: 0.6 s later over a slow connection, and so only where it has to be.
    data = f' data-start="{escape(visit["start"])}"' if visit else ""
    start += f'\n    <script defer fetchpriority="low" src="./start.js"{data}></script>'
    html = html.replace("\n  </body>", f"{start}\n  </body>", 1)
    return html.replace("\n  </head>", f"{head}\n  </head>", 1)


def to_script(value: object) -> str:
    """Return a value as JSON that can't end the script it is in."""
    return json.dumps(value).replace("<", "\\u003c")
