"""The More page: links to the pages that the bar on phones has no room for."""

import streamlit as st

from ui.about_page import runs_on_device
from ui.component import has_routes
from ui.navigation import get_page
from ui.session_state import chosen_bundle

# Icons, titles and lines by page.
VISITORS = {
    "batch": ("apps", "Many photos at once", "A folder or a zip, answered in one go"),
    "models": ("bar_chart", "What each model knows", "Its labels, and how often it is right"),
    "compare": ("swap_horiz", "This device or the server", "One photo, answered by both"),
    "about": ("info", "About", "What is kept, and where your photo goes"),
}


def link_to(pages: dict[str, tuple[str, str, str]]) -> None:
    """Draw a link to each page, with a line about it."""
    for name, (icon, title, line) in pages.items():
        label = f"**{title}**  \n{line}"
        st.page_link(get_page(name), label=label, icon=f":material/{icon}:", width="stretch")


st.header("More", anchor=False)
link_to(VISITORS)
if runs_on_device() and (bundle := chosen_bundle()):
    page = f"device/?model={bundle.name}"
    st.write(f"Works without a network: [keep this page]({page}) on your phone.")
if not has_routes():
    # Without routes nobody can sign in, so the page is for everyone.
    link_to({"deploy": ("cloud_upload", "Deploy", "Where this app can run, and the files for it")})
