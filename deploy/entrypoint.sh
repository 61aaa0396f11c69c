#!/bin/sh
# Starts the app on the port that the host names. The shell execs the app, so that
# the app receives the host's SIGTERM. Works in the image and in a checkout with a
# virtual environment on PATH.
#
#   entrypoint.sh              the app on AIP_HTTP_PORT (Vertex AI), else PORT, else 8501
#   entrypoint.sh serve        for SageMaker: /ping and /invocations on port 8080
#   entrypoint.sh --server.…   the app with an option for Streamlit
#   entrypoint.sh COMMAND …    that command instead, e.g. python -m model list
set -eu
cd "$(dirname "$0")/.."

port=${AIP_HTTP_PORT:-${PORT:-8501}}
is_sagemaker=
case "${1:-app}" in
  app) [ $# -eq 0 ] || shift ;;
  serve)
    shift
    port=${SAGEMAKER_BIND_TO_PORT:-8080}
    export LOUPE_SAGEMAKER=1
    is_sagemaker=1
    ;;
  -*) ;;
  *) exec "$@" ;;
esac
case $port in
  '' | *[!0-9]*)
    echo "The port '$port' is not a number. Set PORT to a number or unset it." >&2
    exit 64
    ;;
esac

# Hugging Face shows a Space in a frame on another domain, where browsers block
# Streamlit's XSRF cookie and uploads would fail with 403.
if [ -n "${SPACE_ID:-}" ]; then
  export STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION="${STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION:-false}"
fi

set -- python -m streamlit run streamlit_app.py --server.port="$port" \
  --server.address="${STREAMLIT_SERVER_ADDRESS:-0.0.0.0}" --server.headless=true "$@"

# A host that mounts the disk as root starts the image as root: hand the data
# folder to the app's own user and drop root. SageMaker requires root. LOUPE_SAGEMAKER
# doesn't tell: it may be set to false.
if [ "$(id -u)" = 0 ] && [ -z "$is_sagemaker" ] && id loupe >/dev/null 2>&1; then
  chown loupe "${LOUPE_DATA:?}"
  exec setpriv --reuid=loupe --regid=loupe --init-groups --inh-caps=-all "$@"
fi
exec "$@"
