"""Parts shared by several hosts' files: commented text, probes, a systemd unit, Caddy."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import tomli_w
import yaml

from .host import Source
from .spec import AppSpec

__all__ = [
    "FIXED_MONTHLY_PRICE",
    "OWN_REPOSITORY",
    "PROXY_BODY",
    "PROXY_BODY_MB",
    "PUSH",
    "SERVER_DIR",
    "SERVER_WORDS",
    "SYNC",
    "dump_json",
    "dump_toml",
    "dump_yaml",
    "format_budget_alert",
    "make_caddyfile",
    "make_probe",
    "make_readme",
    "make_unit",
    "to_name_value_list",
]


FIXED_MONTHLY_PRICE = (
    "a server has a fixed monthly price; ask the provider for an alert on traffic, which may be "
    "charged beyond what is included."
)
"""The budget alert of your own server."""

OWN_REPOSITORY = """If origin is not a repository of your own yet (without gh: https://github.com/new):
        $ git remote rename origin upstream && gh repo create loupe --private --source=. --push"""
"""The steps that give a fresh clone a repository to push to."""

PUSH = "git add bundles && git commit -m 'Deploy the model' && git push"
"""Command that pushes a new version of the models."""

SERVER_DIR = "/opt/loupe"
"""Folder of the app on a server of one's own."""

SYNC = f"rsync -rlptz --delete --exclude-from=deploy/rsync.rules ./ SERVER:{SERVER_DIR}/"
"""Command that copies the app and its models to the server; what is excluded stays there."""

SERVER_WORDS = {
    "SERVER": "what you type after ssh, as root: root@203.0.113.5, say",
    "YOUR.DOMAIN": "the domain of the app",
}
"""Placeholders for a server of one's own."""

PROXY_BODY_MB = 200
"""Largest request body that Caddy accepts, a zip of photos, as in .streamlit/config.toml."""

PROXY_BODY = Source(
    "https://caddyserver.com/docs/caddyfile/directives/request_body",
    "body_mb",
    first_hand=False,
)


def format_budget_alert(alert: str) -> str:
    """Return the comment line that names the budget alert."""
    return f"Budget alert: {alert}"


def dump_yaml(document: Any, *comments: str) -> str:
    """Return a document as YAML, in its own order, after comments."""
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return _comment(comments) + text


class _Dumper(yaml.SafeDumper):
    """YAML with multi-line strings as blocks, so that files inside it stay readable."""


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump_toml(document: Mapping[str, Any], *comments: str) -> str:
    """Return a document as TOML, after comments."""
    return _comment(comments) + tomli_w.dumps(document)


def dump_json(document: Any) -> str:
    """Return a document as JSON; it has no comments, so notes belong in the steps."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _comment(lines: Iterable[str]) -> str:
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def to_name_value_list(environment: Mapping[str, str], key: str = "name") -> list[dict[str, str]]:
    """Return variables as a list, as in Kubernetes: ``[{name, value}]``."""
    return [{key: name, "value": value} for name, value in environment.items()]


def make_probe(app: AppSpec, path: str, *, period_seconds: int, failures: int) -> dict[str, Any]:
    """Return a probe in Kubernetes' form."""
    return {
        "httpGet": {"path": path, "port": app.port},
        "periodSeconds": period_seconds,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def make_caddyfile(app: AppSpec, site: str, upstream: str, *comments: str) -> str:
    """Return Caddy's configuration: HTTPS with an automatic certificate in front of the app."""
    return _comment(comments) + (
        f"{site} {{\n"
        "\tencode zstd gzip\n"
        "\trequest_body {\n"
        # One more than the app takes, for the form around the file.
        f"\t\tmax_size {PROXY_BODY_MB + 1}MiB\n"
        "\t}\n"
        # While the app restarts, Caddy retries requests without a body: pages, not photos. With
        # only one app behind Caddy, health checks would only prolong the outage.
        f"\treverse_proxy {upstream} {{\n"
        f"\t\tlb_try_duration {app.start_seconds}s\n"
        "\t}\n"
        "}\n"
    )


def make_readme(app: AppSpec, alert: str) -> str:
    """Return a README for the app's own repository, headed by its model's title."""
    heading = re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", app.heading)
    return f"# {heading}\n\n{app.summary}\n\n<!-- {format_budget_alert(alert)} -->\n"


def make_unit(app: AppSpec, checkout_dir: str, memory_mb: int, *comments: str) -> str:
    """Return a systemd unit that runs a checkout as a user who may write to one folder.

    Args:
        app: the app.
        checkout_dir: the checkout, with its virtual environment in ``.venv``.
        memory_mb: the memory above which systemd kills it.
        comments: lines above it.
    """
    environment = {
        "PATH": f"{checkout_dir}/.venv/bin:/usr/bin:/bin",
        "PORT": str(app.port),
        "STREAMLIT_SERVER_ADDRESS": "127.0.0.1",
        "LOUPE_DATA": f"/var/lib/{app.name}",
        **app.environment(memory_mb),
    }
    variables = " ".join(f"{name}={value}" for name, value in environment.items())
    return _comment(comments) + (
        f"[Unit]\nDescription={app.title}\nAfter=network-online.target\n"
        "Wants=network-online.target\n\n"
        f"[Service]\nUser={app.name}\nGroup={app.name}\nWorkingDirectory={checkout_dir}\n"
        f"Environment={variables}\n"
        # Secrets, one NAME=value per line; the dash makes the file optional.
        f"EnvironmentFile=-/etc/{app.name}.env\n"
        f"ExecStart={checkout_dir}/{app.entrypoint}\n"
        f"Restart=on-failure\nRestartSec=5\nTimeoutStopSec={app.stop_seconds}\n"
        f"StateDirectory={app.name}\nStateDirectoryMode=0700\nMemoryMax={memory_mb}M\n"
        "TasksMax=256\nNoNewPrivileges=yes\nProtectSystem=strict\nProtectHome=yes\n"
        "PrivateTmp=yes\nPrivateDevices=yes\nProtectKernelTunables=yes\n"
        "ProtectKernelModules=yes\nProtectKernelLogs=yes\nProtectControlGroups=yes\n"
        "ProtectClock=yes\nProtectHostname=yes\nProtectProc=invisible\n"
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\nRestrictNamespaces=yes\n"
        "RestrictRealtime=yes\nRestrictSUIDSGID=yes\nLockPersonality=yes\n"
        "CapabilityBoundingSet=\nSystemCallArchitectures=native\n"
        "SystemCallFilter=@system-service\nUMask=0077\n\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )
