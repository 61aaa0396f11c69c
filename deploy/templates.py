"""Pieces that several hosts' files are made of: text with a comment, probes, units, Caddy."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import tomli_w
import yaml

from .host import Source
from .spec import AppSpec

__all__ = [
    "FIXED_BY_THE_MONTH",
    "PROXY_BODY",
    "PROXY_BODY_MB",
    "budget_comment",
    "caddyfile",
    "comment",
    "json_text",
    "named",
    "probe",
    "toml_text",
    "unit",
    "yaml_text",
]


FIXED_BY_THE_MONTH = (
    "the price of a server is fixed by the month; ask the provider for an alert on traffic, "
    "which may be charged beyond what is included."
)
"""The budget alert of a server of one's own."""

PROXY_BODY_MB = 200
"""What Caddy lets through: a zip of photos may have it, as in .streamlit/config.toml."""

PROXY_BODY = Source(
    "https://caddyserver.com/docs/caddyfile/directives/request_body",
    date(2026, 11, 25),
    itself=False,
)


def comment(lines: Iterable[str]) -> str:
    """Lines as comments of YAML, TOML, a unit or a Caddyfile."""
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def budget_comment(alert: str) -> str:
    """The line of a manifest that names the budget alert."""
    return f"Budget alert: {alert}"


def yaml_text(document: Any, *notes: str) -> str:
    """YAML in the order of the document, under its notes."""
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return comment(notes) + text


class _Dumper(yaml.SafeDumper):
    """Text of several lines as a block that reads as it is."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def toml_text(document: Mapping[str, Any], *notes: str) -> str:
    """TOML under its notes."""
    return comment(notes) + tomli_w.dumps(document)


def json_text(document: Any) -> str:
    """JSON, which has no comments: what must be said stands in the steps."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def named(environment: Mapping[str, str], key: str = "name") -> list[dict[str, str]]:
    """Variables as Kubernetes and others list them: ``[{name, value}]``."""
    return [{key: name, "value": value} for name, value in environment.items()]


def probe(app: AppSpec, path: str, *, period: int, failures: int) -> dict[str, Any]:
    """A probe of Kubernetes' form; seconds."""
    return {
        "httpGet": {"path": path, "port": app.port},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def caddyfile(app: AppSpec, site: str, upstream: str, *notes: str) -> str:
    """https for one site, in front of the app; Caddy gets the certificate by itself."""
    return comment(notes) + (
        f"{site} {{\n"
        "\tencode zstd gzip\n"
        "\trequest_body {\n"
        f"\t\tmax_size {PROXY_BODY_MB}MB\n"
        "\t}\n"
        # While the app starts again Caddy asks again for what has no body: pages, not photos.
        # No health checks: with one app behind it they would only keep it away for longer.
        f"\treverse_proxy {upstream} {{\n"
        f"\t\tlb_try_duration {app.start_seconds}s\n"
        "\t}\n"
        "}\n"
    )


def unit(app: AppSpec, folder: str, memory_mb: int, *notes: str) -> str:
    """A systemd unit that runs a checkout in ``folder`` as a user who may write to one folder.

    Args:
        app: what to run.
        folder: the checkout, with its virtual environment in ``.venv``.
        memory_mb: where systemd ends it.
        notes: the comment above it.
    """
    environment = {
        "PATH": f"{folder}/.venv/bin:/usr/bin:/bin",
        "PORT": str(app.port),
        "STREAMLIT_SERVER_ADDRESS": "127.0.0.1",
        "LOUPE_DATA": f"/var/lib/{app.name}",
        **app.environment(memory_mb),
    }
    words = " ".join(f"{name}={value}" for name, value in environment.items())
    return comment(notes) + (
        f"[Unit]\nDescription={app.title}\nAfter=network-online.target\n"
        "Wants=network-online.target\n\n"
        f"[Service]\nUser={app.name}\nGroup={app.name}\nWorkingDirectory={folder}\n"
        f"Environment={words}\n"
        # Secrets, one NAME=value a line; the dash: it need not be there.
        f"EnvironmentFile=-/etc/{app.name}.env\n"
        f"ExecStart={folder}/deploy/entrypoint.sh\n"
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
