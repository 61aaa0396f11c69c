"""The About page: how Loupe works, what is saved and what is not."""

import streamlit as st

from model.photo import FORMAT_NAMES, MAX_BYTES, MAX_PIXELS
from model.settings import settings
from ui.batch.job_cache import LIFETIME_MINUTES
from ui.component import has_routes
from ui.phrasing import spell_number
from ui.viewfinder import MAX_RECENT

CORES = "1 core" if settings().threads == 1 else f"{settings().threads} cores"
RECENT = f"last {spell_number(MAX_RECENT)} photos"
HAS_VIEWFINDER = has_routes()
RUNS_ON_DEVICE = HAS_VIEWFINDER and settings().downloads

UPLOADS = (
    "A smaller copy of your last photo stays in the server's memory until you send another or your "
    "session ends. No other service sees it."
)
RESENDING = "; the page then sends it for that, and it is identified again"
DELETION = {
    "session": "It deletes them at your next visit once you have closed this tab (over plain HTTP, "
    "after a day).",
    "day": "It deletes them at your first visit after a day.",
}

st.header("About Loupe", anchor=False)
st.write(
    "Point your phone at something and a model tells you what it is, or that it doesn't know. "
    "The model is an image classifier made with fastai, chosen by the owner of this app."
)

st.subheader("How it works", anchor=False)
if RUNS_ON_DEVICE:
    st.write(
        "The line below the viewfinder says where your photo is answered and what is sent for it, "
        "before and after. *On this device*, it isn't sent anywhere: the app only gets the "
        "numbers of the answer, for the chart and the link. *On the server*:"
    )
MADE_HERE = (
    "1. Your browser makes what the model sees: the marked part of your photo, turned upright and "
    "made small. Only that is sent to this app's server. Everything else your phone stores in the "
    "photo (place, time, serial number) stays on your device.\n"
    "2. If your browser can't make it or can't read the file, or runs on the server's own machine, "
    "the file itself is sent, and the line or a question says so before. The server then makes "
    "what the model sees and drops the rest.\n"
)
SENT = (
    "1. Your photo is sent to this app's server. Its size and type are checked, it is turned "
    "upright, and everything else your phone stores in it (place, time, serial number) is "
    "dropped.\n"
    "2. It is resized and cropped the way the model expects.\n"
)
st.write(
    f"{MADE_HERE if HAS_VIEWFINDER else SENT}"
    "3. The model gives every label it knows a probability. The chart shows the highest."
)
st.write(
    "A *calibrated* model was tested on photos it had never seen. It can tell you how often an "
    "answer like this is right, and when a photo shows none of the things it knows. Any other "
    "model says “my best guess” and always names something."
)
if RUNS_ON_DEVICE:
    st.write(
        "Models also run [on a page of their own](device/), which after one visit works without a "
        "network."
    )

st.subheader("What is saved", anchor=False)
KEPT = (
    f"- **Your browser keeps your {RECENT}**, so that a reload shows them again. "
    f"{DELETION[settings().recent]} *Clear* deletes them immediately."
)
if HAS_VIEWFINDER:
    st.write(
        "- **The server saves no photo from the viewfinder.** It uses what it gets for the answer "
        "and drops it. Until your session ends, the server remembers the links of your last "
        f"answers.\n{KEPT}\n"
        "- **Other ways** (*Upload*, *Camera*), *Batch* and *Compare* send the whole file to the "
        f"server. {UPLOADS}"
    )
else:
    st.write(f"- **The server doesn't save your photo.** {UPLOADS}\n{KEPT}")
st.write(
    "- **Batch results**, with small copies of the photos and their file names, stay in the "
    f"server's memory for up to {LIFETIME_MINUTES} minutes after you leave.\n"
    "- **Corrections are saved** when you press Save: your label, the model's answer and the "
    f"time. Your photo is saved only if you tick the box{RESENDING}. The owner of this app may use "
    "corrections to improve the model, and can delete one by its number.\n"
    "- **Share links** contain label numbers and rounded probabilities: no photo, no name, "
    "nothing you typed.\n"
    "- *Look it up* opens another site, which then sees the label."
)

st.subheader("Supported photos", anchor=False)
st.write(
    f"{FORMAT_NAMES}, up to {MAX_BYTES // 2**20} MB and {MAX_PIXELS // 10**6} megapixels. For "
    "animations, the first frame is used. Large files other than standard JPEGs may not fit in "
    f"memory (this server has {settings().memory_mb:,} MB and {CORES})."
)

st.subheader("How far to trust it", anchor=False)
st.write(
    "Every answer is a guess from one photo. Don't rely on it for anything that matters: which "
    "mushroom to eat, what a pill is, who someone is. *Models* shows how each model was tested."
)
