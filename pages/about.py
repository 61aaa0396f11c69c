"""The About page: a photo's way in pictures, what is kept, and how far to trust an answer."""

import streamlit as st

from model.photo import FORMAT_NAMES, MAX_BYTES, MAX_PIXELS
from ui import about_page
from ui.charts import show_facts
from ui.component import has_routes
from ui.session_state import chosen_bundle

st.header("About Loupe", anchor=False)
st.write(
    "Point your phone at something and a model tells you what it is, or that it doesn’t know. "
    "The model is an image classifier, chosen by the owner of this app."
)

st.subheader("Where your photo goes", anchor=False)
if has_routes():
    st.write("The line below the viewfinder says which way applies, before and after each photo.")
for way in about_page.list_ways():
    title, words = about_page.describe_way(way, chosen_bundle())
    left, right = st.columns(2, vertical_alignment="center")
    left.markdown(f"**{title}**  \n{words}")
    with right:
        about_page.show_way(way)
if about_page.runs_on_device():
    st.write(
        "Models also run [on a page of their own](device/), which after one visit works without a "
        "network."
    )

st.subheader("What is kept", anchor=False)
for title, facts in about_page.list_kept().items():
    st.markdown(f"**{title}**")
    show_facts({name: [fact] for name, fact in facts.items()})
    if title == about_page.RECENTS:
        about_page.show_clear_button()
st.write("*Look it up* opens another site, which then sees the label.")

st.subheader("How far to trust it", anchor=False)
st.write(
    "Every answer is a guess from one photo. Don’t rely on it for anything that matters: which "
    "mushroom to eat, what a pill is, who someone is. *Models* shows how each model was tested."
)
with st.expander("How it answers"):
    st.write(
        "The photo is turned upright, resized and cropped the way the model expects. The model "
        "gives every label it knows a probability; the chart shows the highest."
    )
    st.write(
        "A *calibrated* model was tested on photos it had never seen. It can tell you how often an "
        "answer like this is right, and when a photo shows none of the things it knows. Any other "
        "model guesses: it always names something."
    )
with st.expander("Supported photos"):
    st.write(
        f"{FORMAT_NAMES}, up to {MAX_BYTES // 2**20} MB and {MAX_PIXELS // 10**6} megapixels. For "
        "animations, the first frame is used."
    )
