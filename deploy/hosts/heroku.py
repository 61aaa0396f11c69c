"""Heroku, by container: torch would not fit into a slug."""

from datetime import date

from ..host import Budget, Host, Kind, Limits, ManifestPaths, Source, Traffic
from ..spec import AppSpec
from ..templates import budget_comment, json_text, yaml_text

__all__ = ["HOST"]

READ = date(2026, 11, 25)
MANIFEST = Source("https://devcenter.heroku.com/articles/build-docker-images-heroku-yml", READ)
LIMITS = Source("https://devcenter.heroku.com/articles/limits", READ)
ECO = Source("https://help.heroku.com/Q8OBM85C/how-do-eco-dyno-hours-work", READ)
DYNOS = Source("https://devcenter.heroku.com/articles/dyno-types", READ)
ALERT = (
    "Heroku has none that is documented; the bill is the number of dynos, which only "
    "`heroku ps:scale` changes. Account, Billing shows the month so far."
)


def make(app: AppSpec) -> dict[str, str]:
    """The build manifest, and the app's settings and dynos."""
    settings = {
        name: {"description": "Set by deploy/hosts/heroku.py.", "value": value}
        for name, value in app.environment(HOST.limits.memory_mb).items()
    }
    # Made by Heroku, known to nobody else.
    settings["LOUPE_SECRET"] = {"description": "Signs result links.", "generator": "secret"}
    return {
        "heroku.yml": yaml_text(
            {"build": {"docker": {"web": app.dockerfile}}},
            "Heroku: https://devcenter.heroku.com/articles/build-docker-images-heroku-yml",
            budget_comment(ALERT),
            "Visitors stay with one dyno: heroku features:enable http-session-affinity",
        ),
        "app.json": json_text(
            {
                "name": app.title,
                "description": app.summary,
                "stack": "container",
                "env": settings,
                "formation": {"web": {"quantity": app.instances, "size": "eco"}},
            }
        ),
    }


HOST = Host(
    name="heroku",
    title="Heroku",
    kind=Kind.PAAS,
    summary="Builds the Dockerfile; its usual slug of 500 MB cannot hold torch.",
    limits=Limits(memory_mb=512, sleeps_minutes=30, start_seconds=60, request_seconds=30),
    sources={
        "memory_mb": DYNOS,
        "sleeps_minutes": ECO,
        "start_seconds": Source(
            "https://devcenter.heroku.com/articles/dynos#web-dynos", READ, itself=False
        ),
        "request_seconds": LIMITS,
        "price": Source("https://www.heroku.com/dynos", READ),
        "manifest": MANIFEST,
    },
    price="Eco $5 a month for 1,000 hours, sleeping; Basic $7 a month, awake.",
    budget_alert=ALERT,
    steps=(
        "$ python -m deploy write heroku",
        "Commit heroku.yml and app.json.",
        "$ heroku create --stack container",
        (
            "$ heroku config:set LOUPE_LOG=json LOUPE_MEMORY_MB=512 "
            "LOUPE_SECRET=$(openssl rand -hex 32)"
        ),
        "$ heroku features:enable http-session-affinity",
        "$ git push heroku main",
        "$ heroku ps:scale web=1:eco",
        f"Budget alert: {ALERT}",
    ),
    make=make,
    schemas={"heroku.yml": "heroku", "app.json": "heroku-app"},
    where=ManifestPaths(
        environment=("app.json", "env"), most=(("app.json", "formation", "web", "quantity"),)
    ),
    bounded_by="heroku ps:scale web=1",
    affinity_by="http-session-affinity",
    budget=Budget.FEW_DOLLARS,
    traffic=Traffic.HUNDREDS,
    own_domain=True,
    remarks=(
        "app.json counts for Heroku's button and review apps; otherwise the commands say the same.",
        "It has no health check of its own: the app must only listen within 60 seconds.",
        "A request that is not answered within 30 seconds is cut: large batches go in parts.",
        "Files are lost at least once a day: set LOUPE_DATABASE.",
    ),
)
