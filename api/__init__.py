"""The HTTP API: routes over ``model``, without Streamlit."""
