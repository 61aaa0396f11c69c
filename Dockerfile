# Loupe in a container. Two images from one file:
#
#   docker build -t loupe .                       inference only, without torch; fits 512 MB
#   docker build -t loupe:full --target full .    everything, including training
#
# The default is the last stage. deploy/entrypoint.sh chooses the port.

# Written out, without an ARG, so that Dependabot can update it.
FROM python:3.12-slim AS base
ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    HOME=/home/loupe \
    LOUPE_DATA=/data
# Hugging Face Spaces runs containers with user id 1000. Other hosts use an id that isn't known in
# advance, so everyone can write to both folders, as to /tmp.
RUN useradd --create-home --uid 1000 loupe \
 && mkdir /data \
 && chown loupe:loupe /data \
 && chmod 1777 /data /home/loupe
WORKDIR /app
EXPOSE 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "deploy.health"]
ENTRYPOINT ["/app/deploy/entrypoint.sh"]
CMD ["app"]

# The app's files, compiled here because the app's user may not write beside them.
FROM base AS code
COPY Dockerfile LICENSE streamlit_app.py requirements.txt requirements-serve.txt ./
COPY .streamlit/config.toml .streamlit/
COPY model/ model/
COPY bundles/ bundles/
COPY ui/ ui/
COPY pages/ pages/
COPY api/ api/
COPY device/ device/
COPY deploy/ deploy/
RUN chmod -R a+rX . \
 && chmod a+rx deploy/entrypoint.sh \
 && python -m compileall -q model ui pages api deploy streamlit_app.py

FROM base AS packages
# If not empty, install what opens a bucket named in LOUPE_STORE (s3fs, gcsfs and adlfs).
ARG BUCKETS=
COPY requirements-serve.txt requirements-buckets.txt ./
RUN pip install --require-hashes -r requirements-serve.txt
# Afterwards, because s3fs replaces python-dateutil by an older one.
RUN test -z "${BUCKETS}" || pip install --require-hashes -r requirements-buckets.txt

# What browsers load: the models, packed; onnxruntime-web if one of them needs it, fetched through npm,
# of which nothing stays; Streamlit's static files, compressed.
FROM packages AS runtime
COPY requirements-npm.txt ./
RUN pip install --require-hashes -r requirements-npm.txt
COPY device/ device/
COPY model/ model/
COPY bundles/ bundles/
RUN LOUPE_DATA=/made python -m model.browser

FROM base AS full
ARG CPU_INDEX=https://download.pytorch.org/whl/cpu
COPY requirements.txt requirements-full.txt requirements-buckets.txt ./
RUN pip install --require-hashes --no-deps -r requirements-full.txt
# What is left, torch, has no hash. Its own index has wheels without CUDA, 2 GB smaller; if it can't
# be reached, use PyPI.
RUN if python -c "import urllib.request as u; u.urlopen('${CPU_INDEX}/torch/', timeout=5)"; then \
      index="--index-url ${CPU_INDEX}"; \
    fi \
 && pip install ${index:-} -r requirements.txt
ARG BUCKETS=
RUN test -z "${BUCKETS}" || pip install --require-hashes -r requirements-buckets.txt
COPY --from=code /app /app
COPY --from=runtime /made/derived derived/
# "root" for hosts that require it, or that mount disks only root can write to.
ARG RUN_AS=loupe
USER ${RUN_AS}

FROM packages AS serve
COPY --from=code /app /app
COPY --from=runtime /made/derived derived/
ARG RUN_AS=loupe
USER ${RUN_AS}
