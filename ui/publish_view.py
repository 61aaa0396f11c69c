"""The owner's versions of a model: compared on held-out photos, published and put back."""

from collections.abc import Callable
from urllib.parse import quote

import altair as alt
import pandas as pd
import streamlit as st

from model import Bundle
from model.bundle import list_versions
from model.evaluation.held_out import (
    compare_versions,
    count_held_out,
    held_out_folder,
    save_held_out,
)
from model.evaluation.paired import MARGIN, ChangedPhoto, PairedEvaluation, describe_difference
from model.events import Progress
from model.model_store.publications import make_current
from model.settings import settings
from model.sign_ins import SignIn
from model.storage.photo_files import open_photos
from model.text import count_of
from ui.charts import INK, accent_color, main_button
from ui.component import base_path
from ui.navigation import show_failure
from ui.photo_gallery import MAX_PICTURES, show_pictures
from ui.phrasing import escape_markdown, spell_number
from ui.session_state import release_upload, usable_bundles

REACH = "The server uses it for the next photo, devices from their next visit."
MIN_MEMORY_MB = 1024
"""Least memory for comparing two versions while the app answers visitors, in MB."""

FIGURES, SAID, ROUND = "compared", "published", "held-out-round"
"""Keys of the session's state: comparisons, what was published last, and the number of uploads."""


class _Bar(Progress):
    def __init__(self) -> None:
        self._bar = st.progress(0.0)

    def update(self, stage: str, done: int, total: int) -> None:
        self._bar.progress(done / total if total else 0.0, f"{stage}: {done:,} of {total:,}")


def choose_pair() -> tuple[Bundle, Bundle] | None:
    """Return the version in use, and another one or another model that the owner chooses.

    None if there is no other with the same labels.
    """
    models = usable_bundles()
    names, versions = [*models], {name: list_versions(name) for name in models}
    if not names:
        st.write("There is no model that can be used.")
        return None
    with st.container(horizontal=True):
        # Models with several versions come first.
        names.sort(key=lambda name: -len(versions[name]))
        model = st.selectbox("Model", names, width=240)
        usable = [
            item.bundle
            for item in sorted(versions[model], key=lambda item: not item.current)
            if isinstance(item.bundle, Bundle)
        ]
        labels = {*models[model].labels}
        usable += [one for name, one in models.items() if name != model and {*one.labels} == labels]
        if len(usable) > 1:
            words = f"In use is {_describe(usable[0])}. Compare it with"
            other = st.selectbox(words, usable[1:], format_func=_describe, width=480)
    said, words = st.session_state.get(SAID) or ("", "")
    if said == model:
        st.success(words)
    if len(usable) > 1:
        return usable[0], other
    st.write(
        "There is one version. Train another beside it: "
        f"`python -m model train PHOTOS --name {model} --candidate`."
    )
    return None


def _describe(bundle: Bundle) -> str:
    metric = bundle.manifest.metric("accuracy")
    right = f" ({metric.value:.1%} right)" if metric else ""
    return f"{bundle.name} {bundle.version}{right}"


def compare(old: Bundle, new: Bundle) -> PairedEvaluation | None:
    """Compare two versions when the owner asks for it, and return the last result."""
    if settings().memory_mb < MIN_MEMORY_MB:
        st.write(
            f"Comparing needs {MIN_MEMORY_MB:,} MB of memory, more than this host gives. "
            "`python -m model compare` does it elsewhere."
        )
        return None
    photos, folder = count_held_out(old.name), held_out_folder(old.name)
    # Others replace the folder.
    key = (old.version, new.version, folder.stat().st_ino if photos else 0)
    results: dict[tuple[str, str, int], PairedEvaluation] = st.session_state.setdefault(FIGURES, {})
    with show_failure():
        if photos and st.button(f"Compare on {count_of(photos, 'photo')}", type=main_button()):
            results[key] = compare_versions(old, new, _Bar())
        with st.expander("Use other photos") if photos else st.container():
            _upload(old.name)
    return results.get(key)


def _upload(model: str) -> None:
    st.write(
        "Photos that no version has learned from, in a zip with a folder per label. They are kept "
        "for this model, so that all versions are compared on the same ones."
    )
    limit_mb = min(200, settings().upload_mb)
    # A new key makes a new widget, since Streamlit may give a script the old file again.
    key = f"held-out-{st.session_state.setdefault(ROUND, 0)}"
    file = st.file_uploader("Held-out photos", type="zip", max_upload_size=limit_mb, key=key)
    if file is not None:
        st.session_state[ROUND] += 1
        try:
            save_held_out(model, open_photos(file, settings().batch))
        finally:
            release_upload(file)
        st.rerun()


def show_comparison(
    figures: PairedEvaluation, note: str, address: Callable[[str], str] | None
) -> None:
    """Show the verdict, the 2 × 2 table, labels and the photos that changed.

    ``note`` is a sentence about the photos; ``address`` is None if they are gone.
    """
    verdict, table = figures.verdict, figures.table
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(verdict.headline, anchor=False)
        st.write(f"{describe_difference(table)} {' '.join(verdict.reasons)}")
        _draw_interval(table.interval, table.net / table.photos)
        st.table(
            pd.DataFrame(
                {
                    "new right": [table.both_right, table.only_new],
                    "new wrong": [table.only_old, table.both_wrong],
                },
                index=pd.Index(["old right", "old wrong"], name="photos"),
            )
        )
        p_value = f"= {table.p_value:.2g}" if table.p_value >= 0.001 else "< 0.001"
        st.caption(f"McNemar’s exact test: p {p_value}. {note} {' '.join(verdict.limits)}")
        st.write(_describe_labels(figures))
        sides = pd.DataFrame(
            {
                name: {
                    "accuracy": f"{side.accuracy.value:.1%}",
                    "“none of these”": f"{side.unknown.value:.1%}",
                    "calibration error": f"{side.calibration_error:.1%}",
                }
                for name, side in (("old", figures.old), ("new", figures.new))
            }
        ).rename_axis("model")
        st.table(sides)
    with right:
        changed = figures.changed
        groups = {
            "Only the new one is right": [one for one in changed if one.new == one.label],
            "Only the old one was right": [one for one in changed if one.old == one.label],
            "Both are wrong, in different ways": [
                one for one in changed if one.label not in (one.old, one.new)
            ],
        }
        for title, photos in groups.items():
            if photos:
                pictures = [(one.photo, one.label, _describe_change(one)) for one in photos]
                show_pictures(f"{title}: {len(photos)}", pictures, address)
            if len(photos) > MAX_PICTURES:
                st.caption(f"and {len(photos) - MAX_PICTURES:,} more")


def held_out_address(model: str, owner: SignIn) -> Callable[[str], str]:
    """Return a function from the name of a model's held-out photo to its address."""
    base = f"{owner.origin}{base_path()}owner/held-out/{quote(model)}/"
    return lambda name: base + quote(name)


def describe_uses(uses: int) -> str:
    """Return a sentence on how often the photos were used to choose a version."""
    times = "once" if uses == 1 else f"{spell_number(uses)} times"
    return f"These photos were used to choose {times}; each time they prove a little less."


def _draw_interval(interval: tuple[float, float], value: float) -> None:
    """Draw the difference with its interval, the limit and zero, in percentage points."""
    low, high = (100 * share for share in interval)
    end = max(2.0, abs(low), abs(high)) * 1.1
    point = pd.DataFrame([{"low": low, "high": high, "value": 100 * value}])
    scale = alt.Scale(domain=[-end, end])
    axis = alt.Axis(title="points; right of 0, the new one is better", titleColor=INK)
    x = alt.X("low:Q", scale=scale, axis=axis)
    color = accent_color()
    rule = alt.Chart(point).mark_rule(strokeWidth=2, color=color).encode(x=x, x2="high:Q")
    dot = alt.Chart(point).mark_point(filled=True, size=90, color=color).encode(x="value:Q")
    zero, limit = (alt.Chart(pd.DataFrame([{"at": at}])).encode(x="at:Q") for at in (0, -MARGIN))
    lines = zero.mark_rule(color=INK) + limit.mark_rule(
        color=accent_color(sure=False), strokeDash=[4, 4]
    )
    words = f"Difference {100 * value:+.1f} points, from {low:+.1f} to {high:+.1f}"
    chart = (lines + rule + dot).properties(height=110, description=words)
    st.altair_chart(chart)


def _describe_labels(figures: PairedEvaluation) -> str:
    nets = {label: counts.net for label, counts in figures.labels.items() if counts.net}
    changes = [
        f"{escape_markdown(label)} {'+' if net > 0 else '−'}{abs(net)}"
        for label, net in sorted(nets.items(), key=lambda item: item[1])
    ]
    return f"**By label** {', '.join(changes) or 'no label gains or loses'}"


def _describe_change(one: ChangedPhoto) -> str:
    old, new = (escape_markdown(label) for label in (one.old, one.new))
    return f"old: {old}  \nnew: {new}"


def show_publishing(
    old: Bundle | None,
    new: Bundle,
    figures: PairedEvaluation | None,
    text: str = "",
    *,
    is_sure: bool = False,
    prepare: Callable[[], Bundle] | None = None,
) -> None:
    """Show the button that makes the compared version the current one.

    Args:
        old: the version in use; None before a model's first one.
        new: the version to publish.
        figures: their comparison; None if they were not compared.
        text: the button's text; by default "Publish" and the version.
        is_sure: don't ask first.
        prepare: moves the version to its model's folder if needed, and returns it.
    """
    if old and new.name != old.name:
        st.caption("This is another model, so it can’t be published as a version of this one.")
        return
    may = figures is not None and figures.verdict.may_replace
    reach = REACH if old else "New visits can choose it. The app opens with its newest model."
    asked = "I have seen what changes, and publish it anyway."
    key = f"sure-{old and old.version}-{new.version}"
    sure = may or is_sure or st.checkbox(asked, key=key)
    kind = main_button() if may else "secondary"
    if st.button(text or f"Publish {new.version}", type=kind, disabled=not sure):
        with show_failure("Not published: "):
            with st.spinner("Checking its files and answers…"):
                make_current(new, prepare)
            back = f" To put {old.version} back, publish it again." if old else ""
            words = f"Published: {new.name} {new.version}. {reach}{back}"
            st.session_state[SAID] = new.name, words
            st.rerun()
    back = " You can put the previous version back." if old else ""
    st.caption(f"{reach}{back}")
