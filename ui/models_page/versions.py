"""The versions of a model that stand beside each other."""

import streamlit as st

from model import Bundle
from model.bundle.versions import Version, versions
from model.errors import BundleError
from ui.phrasing import refusal

__all__ = ["version_list"]


@st.fragment
def version_list(name: str) -> None:
    """When each was made, how good it is, which one answers, and the command that goes back.

    Moving the pointer is for the owner, and the page cannot tell who that is.
    """
    part = st.expander(
        "Versions", icon=":material/history:", on_change="rerun", key=f"versions-{name}"
    )
    if not part.open:
        return
    with part:
        try:
            found = versions(name)
        except BundleError as error:
            st.warning(refusal(error))
            return
        st.table(
            [_row(one) for one in found],
            border="horizontal",
            hide_index=True,
            alt="One row for each version, the newest first",
        )
        former = next((one for one in found if not one.current), None)
        if former:
            st.caption("Whoever runs this app goes back to another one with")
            st.code(
                f"python -m model rollback {name} {former.version}", language=None, wrap_lines=True
            )


def _row(one: Version) -> dict[str, str]:
    bundle = one.found if isinstance(one.found, Bundle) else None
    metric = bundle.manifest.metric("accuracy") if bundle else None
    accuracy = f"{metric.value:.1%}" if metric else "not measured"
    return {
        "Version": f"`{one.version}`" + (" **current**" if one.current else ""),
        "Made (UTC)": f"{one.made:%Y-%m-%d %H:%M}",
        "Accuracy": accuracy if bundle else "cannot be used",
    }
