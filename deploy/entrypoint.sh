#!/bin/sh
# Starts the app on the port that the host names, then becomes it, so that the
# host's SIGTERM arrives. Works in the image and in a checkout (a venv on PATH).
#
#   entrypoint.sh              the app on AIP_HTTP_PORT (Vertex AI), else PORT, else 8501
#   entrypoint.sh serve        the same as SageMaker asks for it: /ping, /invocations, 8080
#   entrypoint.sh --server.…   the app, with an option for Streamlit
#   entrypoint.sh COMMAND …    that command instead: python -m model list
set -eu
cd "$(dirname "$0")/.."

port=${AIP_HTTP_PORT:-${PORT:-8501}}
case "${1:-app}" in
  app) [ $# -eq 0 ] || shift ;;
  serve)
    shift
    port=${SAGEMAKER_BIND_TO_PORT:-8080}
    export LOUPE_SAGEMAKER=1
    ;;
  -*) ;;
  *) exec "$@" ;;
esac
case $port in
  '' | *[!0-9]*)
    echo "The port is '$port', which is no number. Set PORT to one, or leave it unset." >&2
    exit 64
    ;;
esac

# Hugging Face shows a Space inside a page of its own, where browsers keep
# Streamlit's XSRF cookie away and uploads would end in 403.
if [ -n "${SPACE_ID:-}" ]; then
  export STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION="${STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION:-false}"
fi

set -- python -m streamlit run streamlit_app.py --server.port="$port" \
  --server.address="${STREAMLIT_SERVER_ADDRESS:-0.0.0.0}" --server.headless=true \
  --logger.hideWelcomeMessage=true "$@"

# Where a host mounts the disk as root, the image is started as root: the data
# folder is handed to the app's own user, who runs the rest. SageMaker wants root.
if [ "$(id -u)" = 0 ] && [ -z "${LOUPE_SAGEMAKER:-}" ] && id loupe >/dev/null 2>&1; then
  chown loupe "${LOUPE_DATA:?}"
  exec setpriv --reuid=loupe --regid=loupe --init-groups --inh-caps=-all "$@"
fi
exec "$@"
