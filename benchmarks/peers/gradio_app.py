import gradio as gr
from fastai.vision.all import PILImage, load_learner

learn = load_learner("export.pkl")


def classify(image):
    _, _, probabilities = learn.predict(PILImage.create(image))
    return dict(zip(learn.dls.vocab, map(float, probabilities)))


image, label = gr.Image(type="pil"), gr.Label(num_top_classes=5)
gr.Interface(classify, image, label, live=True).launch()
