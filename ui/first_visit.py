"""Additions to a page's HTML that make a first visit over a slow network quick."""

import json
import re
from html import escape

import streamlit as st

from model.browser.page_files import PAGE_DIR, FirstVisit

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


def add_first_visit(html: str, visit: FirstVisit | None) -> str:
    """Return Streamlit's page with the additions for a first visit.

    Args:
        html: the page.
        visit: the modules to load; None until they have been compressed.
    """
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
