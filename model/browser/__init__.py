"""Downloads of browsers: small graphs, words, onnxruntime-web, Streamlit's compressed files."""
