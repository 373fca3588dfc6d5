"""Which processes make a mesh, and what each is told: values in, values out.

Nothing here starts, reads or listens; the supervisor runs what stands here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from launcher.credentials import Person, Secrets
from launcher.databases import SERVICES
from launcher.ports import HOST, PortTable
from launcher.records import Probe, ProbeKind

_NOT_INHERITED = frozenset({"DATABASE_URL", "REDIS_URL", "HOST", "PORT"})
_STRIPE_EVENTS = (
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
    "refund.created",
    "refund.failed",
    "refund.updated",
)
"""What an endpoint of ours subscribes to at Stripe: whatever tells how a payment stands."""
_NO_PROXY = "localhost,127.0.0.1,::1"


class Stage(IntEnum):
    """When a process is stopped: whoever takes in work goes first, what all stand on last."""

    EDGE = 0
    SERVICES = 1
    OUTSIDE_WORLD = 2
    STORES = 3


@dataclass(frozen=True)
class ProcessSpec:
    """One process to keep running: its command, its whole environment, and where it is asked how it is."""

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    ports: Mapping[str, int]
    probe: Probe
    stage: Stage


@dataclass(frozen=True)
class Job:
    """One process that does its work and ends."""

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Surroundings:
    """What the processes of one mesh find around them."""

    ports: PortTable
    secrets: Secrets
    admin: Person
    database_urls: Mapping[str, str] = field(repr=False)
    redis_url: str = field(repr=False)
    home: Path
    """The state directory."""
    inherited: Mapping[str, str] = field(repr=False)


def plan(around: Surroundings) -> list[ProcessSpec]:
    """Every process of the mesh but the databases."""
    return [_sandbox(around), *(_service(name, around) for name in SERVICES), _gateway(around)]


def migration(around: Surroundings) -> Job:
    """Brings every database to its newest schema."""
    packages = [f"services.{name}" for name in SERVICES]
    urls = {f"{name.upper()}_DATABASE_URL": around.database_urls[name] for name in SERVICES}
    return Job("migrate", _python("servicekit.migrations", *packages), _inherited(around.inherited) | urls)


def seeding(around: Surroundings) -> Job:
    """Fills the shop."""
    told = {"TILLMESH_HOME": str(around.home)}
    return Job("seed", _python("launcher", "seed"), _inherited(around.inherited) | told)


def target(ports: PortTable, name: str) -> str:
    """Where one service answers gRPC."""
    return f"{HOST}:{ports[name]['grpc']}"


def _service(name: str, around: Surroundings) -> ProcessSpec:
    told = {"DATABASE_URL": around.database_urls[name], **_own_settings(name, around)}
    return ProcessSpec(
        name=name,
        argv=_python(f"services.{name}"),
        environ=_environ(around, told | _listening(around.ports[name]["grpc"], around.ports[name]["http"])),
        ports=around.ports[name],
        probe=Probe(ProbeKind.GRPC, target(around.ports, name)),
        stage=Stage.SERVICES,
    )


def _own_settings(name: str, around: Surroundings) -> dict[str, str]:
    secrets, ports = around.secrets, around.ports
    settings: dict[str, dict[str, str]] = {
        "auth": {
            "REDIS_URL": around.redis_url,
            "SIGNING_KEY_SECRET": secrets.signing_key_secret,
            "BOOTSTRAP_ADMIN_EMAIL": around.admin.email,
            "BOOTSTRAP_ADMIN_PASSWORD": around.admin.password,
        },
        "orders": {"PAYMENTS_TARGET": target(ports, "payments")},
        "payments": {
            "STRIPE_API_BASE": f"http://{HOST}:{ports['sandbox']['http']}",
            "STRIPE_API_KEY": secrets.stripe_api_key,
            "STRIPE_WEBHOOK_SECRET": secrets.stripe_webhook_secret,
            "GIFT_CARD_SECRET": secrets.gift_card_secret,
        },
        "monitoring": {"WATCH_TARGETS": _watched(ports), "STATE_PATH": str(around.home / "windows")},
    }
    return settings[name]


def _watched(ports: PortTable) -> str:
    addresses = {name: target(ports, name) for name in SERVICES}
    addresses["gateway"] = f"http://{HOST}:{ports['gateway']['http']}/health"
    return ",".join(f"{name}={address}" for name, address in addresses.items())


def _gateway(around: Surroundings) -> ProcessSpec:
    ports = around.ports["gateway"]
    told = {f"{name.upper()}_TARGET": target(around.ports, name) for name in SERVICES}
    told |= {"API_HOST": HOST, "API_PORT": str(ports["http"]), "GRPC_HOST": HOST, "GRPC_PORT": "0"}
    told |= {"HTTP_HOST": HOST, "HTTP_PORT": str(ports["metrics"])}
    return ProcessSpec(
        name="gateway",
        argv=_python("gateway"),
        environ=_environ(around, told),
        ports=ports,
        probe=Probe(ProbeKind.GATEWAY, f"{HOST}:{ports['http']}"),
        stage=Stage.EDGE,
    )


def _sandbox(around: Surroundings) -> ProcessSpec:
    ports = around.ports["sandbox"]
    told = {
        "HOST": HOST,
        "PORT": str(ports["http"]),
        "STATE_PATH": str(around.home / "sandbox.sqlite"),
        "STRIPE_WEBHOOK_URL": f"http://{HOST}:{around.ports['gateway']['http']}/v1/webhooks/stripe",
        "STRIPE_WEBHOOK_EVENTS": ",".join(_STRIPE_EVENTS),
        "STRIPE_WEBHOOK_SECRET": around.secrets.stripe_webhook_secret,
    }
    return ProcessSpec(
        name="sandbox",
        argv=_python("sandbox"),
        environ=_inherited(around.inherited) | told,
        ports=ports,
        probe=Probe(ProbeKind.HTTP, f"{HOST}:{ports['http']}/sandbox/health"),
        stage=Stage.OUTSIDE_WORLD,
    )


def _environ(around: Surroundings, told: Mapping[str, str]) -> dict[str, str]:
    mesh = {
        "MESH_KEY": around.secrets.mesh_key,
        "AUTH_TARGET": target(around.ports, "auth"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{target(around.ports, 'monitoring')}",
    }
    return _inherited(around.inherited) | mesh | dict(told)


def _listening(grpc: int, http: int) -> dict[str, str]:
    return {"GRPC_HOST": HOST, "GRPC_PORT": str(grpc), "HTTP_HOST": HOST, "HTTP_PORT": str(http)}


def _inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """What passes through: all but the administrator's keys; and no proxy stands before loopback."""
    passed = {name: value for name, value in environ.items() if name not in _NOT_INHERITED}
    direct = {
        name: ",".join(filter(None, [environ.get(name), _NO_PROXY])) for name in ("NO_PROXY", "no_proxy")
    }
    return passed | direct | {"PYTHONUNBUFFERED": "1"}


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
