import streamlit as st
from fastai.vision.all import PILImage, load_learner


@st.cache_resource
def model():
    return load_learner("export.pkl")


learn = model()
if file := st.file_uploader("Choose a photo", type=["jpg", "jpeg", "png"]):
    label, index, probabilities = learn.predict(PILImage.create(file))
    st.header(f"{label}: {probabilities[index]:.1%}")
    st.image(file)
