"""Heroku, as a container: torch does not fit into a slug."""

from ..host import Host, Limits, ManifestPaths, Source
from ..options import Budget, Kind, Traffic
from ..spec import AppSpec
from ..templates import dump_json, dump_yaml, format_budget_alert

__all__ = ["HOST"]

DOCS = "https://devcenter.heroku.com/articles"
MANIFEST = f"{DOCS}/build-docker-images-heroku-yml"
MEMORY_MB = 512
ALERT = (
    "Heroku documents none; the bill depends on the number of dynos, which only `heroku ps:scale` "
    "changes. Account, Billing shows the month so far."
)


def make_files(app: AppSpec) -> dict[str, str]:
    """Return the build manifest, and the app's settings and dynos."""
    settings = {
        name: {"description": "Set by deploy/hosts/heroku.py.", "value": value}
        for name, value in app.environment(MEMORY_MB).items()
    }
    # Heroku generates it, so it appears in no file.
    settings["LOUPE_SECRET"] = {"description": "Signs share links.", "generator": "secret"}
    build = dump_yaml(
        {"build": {"docker": {"web": app.dockerfile}}},
        f"Heroku: {MANIFEST}",
        format_budget_alert(ALERT),
        "Sticky sessions: heroku features:enable http-session-affinity",
    )
    description = {
        "name": app.title,
        "description": app.summary,
        "stack": "container",
        "env": settings,
        "formation": {"web": {"quantity": app.max_instances, "size": "eco"}},
    }
    return {"heroku.yml": build, "app.json": dump_json(description)}


HOST = Host(
    name="heroku",
    title="Heroku",
    kind=Kind.PAAS,
    summary="Builds the Dockerfile; its usual slug of 500 MB can't hold torch.",
    price="Eco $5 a month for 1,000 hours, sleeping; Basic $7 a month, always on.",
    budget=Budget.FEW_DOLLARS,
    traffic=Traffic.HUNDREDS,
    own_domain=True,
    limits=Limits(memory_mb=MEMORY_MB, sleeps_minutes=30, start_seconds=60, request_seconds=30),
    sources=(
        Source(f"{DOCS}/dyno-types", "memory_mb"),
        Source("https://help.heroku.com/Q8OBM85C/how-do-eco-dyno-hours-work", "sleeps_minutes"),
        Source(f"{DOCS}/dynos#web-dynos", "start_seconds", first_hand=False),
        Source(f"{DOCS}/limits", "request_seconds"),
        Source("https://www.heroku.com/dynos", "price"),
        Source(MANIFEST, "manifest"),
    ),
    budget_alert=ALERT,
    steps=f"""
        Budget alert: {ALERT}
        $ WRITE
        $ git add bundles heroku.yml app.json && git commit -m 'Deploy the model'
        $ heroku create --stack container
        $ heroku config:set SETTINGS LOUPE_SECRET=$(openssl rand -hex 32)
        $ heroku features:enable http-session-affinity
        $ git push heroku HEAD:main
        $ heroku ps:scale web=1:eco && heroku open
    """,
    update="git add bundles && git commit -m 'Deploy the model' && git push heroku HEAD:main",
    make_files=make_files,
    manifest=ManifestPaths("app.json", environment="env"),
    max_instances_via="heroku ps:scale web=1",
    sticky_sessions_via="http-session-affinity",
    remarks="""
        app.json serves Heroku's button and review apps; otherwise the commands do the same.
        It has no health check of its own: the app must only listen within 60 seconds.
        A request that takes more than 30 seconds is cut: split large batches.
        Heroku doesn't fetch files in Git LFS; models are pushed to it without.
        Files are lost at least once a day: set LOUPE_DATABASE.
    """,
)
