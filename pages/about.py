"""About: how it works, what is kept and what is not."""

import streamlit as st

from model.settings import settings
from ui.settings_menu import say_what_is_missing

st.header("About Loupe", anchor=False)
st.write(
    "Point a phone at something; a model says what it is, and says so when it does not know. "
    "The model is the owner's own: an image classifier made with fastai."
)

st.subheader("How it works", anchor=False)
st.write(
    "1. Your photo is sent to this app and read there: its size and kind are checked, it is "
    "turned upright, and everything else that a phone writes into it (place, time, serial "
    "number) is left behind.\n"
    "2. It is scaled down the way the model's training photos were.\n"
    "3. The model gives a probability to each label that it knows. The chart shows the first ones."
)
st.write(
    "A model that is *calibrated* has been measured on photos that it had not seen: it can say "
    "how often such an answer is right, and when a photo shows none of the things it knows. "
    "One that is not says “my best guess”, and always names something."
)

st.subheader("What is kept", anchor=False)
st.write(
    "- **Your photo is not kept.** It is in the server's memory while your visit lasts, scaled "
    "down for the last eight, and gone after it. No service outside this app sees it.\n"
    "- **A correction is kept** when you press Save on “It's something else…”: your word, the "
    "model's answer, the time. The photo is kept with it only if you tick that box.\n"
    "- **A link to an answer** holds label numbers and rounded probabilities. No photo, no name, "
    "no text of yours.\n"
    "- Looking a label up opens another site, which then sees that label."
)

st.subheader("Which photos it reads", anchor=False)
st.write(
    "JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP and TIFF, up to 20 MB and 50 megapixels; of an "
    "animation the first picture. Large photos that are not ordinary JPEGs may be refused on a "
    f"machine with little memory (this one may use {settings().memory_mb:,} MB on "
    f"{settings().threads} {'core' if settings().threads == 1 else 'cores'})."
)

say_what_is_missing()

st.subheader("How far to trust it", anchor=False)
st.write(
    "An answer is a guess from one photo. Do not decide anything by it that matters: which "
    "mushroom to eat, which pill this is, who a person is. What each model was measured on "
    "stands on its card under *Models*."
)
