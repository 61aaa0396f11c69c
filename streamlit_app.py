"""The entry point of Loupe for ``streamlit run``.

The server imports ``app`` from this file: the pages, the HTTP routes and the
warm-up. Run as a plain script (by a test, or a host without ``st.App``), it
shows the same pages, and the model is loaded with the first photo.
"""

import runpy
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

FRAME = Path(__file__).parent / "ui" / "frame.py"

if get_script_run_ctx(suppress_warning=True) is None:
    from starlette.middleware import Middleware
    from streamlit.proto.BackMsg_pb2 import BackMsg

    from api.app import ROOTS, routes
    from api.door import OwnerMiddleware, door_routes
    from api.lifecycle import lifespan
    from api.middleware import BasePathMiddleware
    from api.sites import SiteMiddleware
    from api.static_files import StaticFilesMiddleware
    from api.streamlit_limits import StreamlitLimitMiddleware
    from model.errors import SettingRefused
    from model.settings import settings
    from ui.page_html import page_routes

    try:
        settings()
    except SettingRefused as error:
        # One line for the owner, without the traceback.
        raise SystemExit(f"{error.code}: {error}") from None
    base_path = f"/{st.get_option('server.baseUrlPath').strip('/')}".rstrip("/")
    # Streamlit's settings for its own check of websockets; "localhost" is a default.
    pages = {*st.get_option("server.corsAllowedOrigins"), st.get_option("browser.serverAddress")}
    origins = pages - {"localhost"} if st.get_option("server.enableCORS") else {"*"}
    app = st.App(
        FRAME,
        routes=[*door_routes(base_path), *routes(), *page_routes(base_path)],
        lifespan=lifespan,
        middleware=[
            Middleware(OwnerMiddleware),
            Middleware(SiteMiddleware, origins=origins),
            Middleware(BasePathMiddleware, base_path=base_path, roots=ROOTS),
            Middleware(StaticFilesMiddleware, base_path=base_path),
            Middleware(
                StreamlitLimitMiddleware,
                runtime=st.runtime.get_instance,
                parse=BackMsg.FromString,
            ),
        ],
    )
else:
    from model.resources import configure_malloc, descriptor_limit

    configure_malloc()
    descriptor_limit()
    runpy.run_path(str(FRAME), run_name="__main__")
