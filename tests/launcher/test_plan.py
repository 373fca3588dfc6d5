"""The plan: which processes, told what. Values in, values out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from launcher.credentials import Person, Secrets
from launcher.plan import ProcessSpec, Stage, Surroundings, migration, plan, seeding
from launcher.ports import port_table
from launcher.records import Probe, ProbeKind

AROUND = Surroundings(
    ports=port_table(23000),
    secrets=Secrets("m" * 32, "s" * 32, "sk_test_1", "whsec_1", "g" * 32),
    admin=Person("admin", "admin@shop.example", "Ada", "a-password"),
    database_urls={name: f"postgresql://{name}" for name in ("auth", "orders", "payments", "monitoring")},
    redis_url="unix:///valkey",
    home=Path("/state"),
    inherited={
        "PATH": "/bin",
        "DATABASE_URL": "postgresql://root",
        "SENTRY_DSN": "https://dsn",
        "no_proxy": "x",
    },
)
SPECS = {spec.name: spec for spec in plan(AROUND)}


def settings_of(name: str) -> dict[str, str]:
    """What a process is told beyond what all inherit."""
    inherited = {"PATH", "SENTRY_DSN", "no_proxy", "NO_PROXY", "PYTHONUNBUFFERED"}
    return {key: value for key, value in SPECS[name].environ.items() if key not in inherited}


def test_there_is_one_process_for_each_row_of_the_port_table() -> None:
    assert set(SPECS) == set(AROUND.ports)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("auth", "services.auth"),
        ("orders", "services.orders"),
        ("payments", "services.payments"),
        ("monitoring", "services.monitoring"),
        ("gateway", "gateway"),
        ("sandbox", "sandbox"),
    ],
)
def test_every_process_is_a_module_that_runs_alone(name: str, module: str) -> None:
    assert SPECS[name].argv == (sys.executable, "-m", module)


def common(name: str) -> dict[str, str]:
    """What every service is told."""
    ports = AROUND.ports[name]
    return {
        "GRPC_HOST": "127.0.0.1",
        "GRPC_PORT": str(ports["grpc"]),
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": str(ports["http"]),
        "MESH_KEY": "m" * 32,
        "AUTH_TARGET": "127.0.0.1:23002",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:23008",
        "DATABASE_URL": f"postgresql://{name}",
    }


def test_auth_is_told_its_keys_and_its_first_user() -> None:
    assert settings_of("auth") == common("auth") | {
        "REDIS_URL": "unix:///valkey",
        "SIGNING_KEY_SECRET": "s" * 32,
        "BOOTSTRAP_ADMIN_EMAIL": "admin@shop.example",
        "BOOTSTRAP_ADMIN_PASSWORD": "a-password",
    }


def test_orders_is_told_where_payments_is() -> None:
    assert settings_of("orders") == common("orders") | {"PAYMENTS_TARGET": "127.0.0.1:23006"}


def test_payments_is_told_to_use_the_sandbox() -> None:
    assert settings_of("payments") == common("payments") | {
        "STRIPE_API_BASE": "http://127.0.0.1:23010",
        "STRIPE_API_KEY": "sk_test_1",
        "STRIPE_WEBHOOK_SECRET": "whsec_1",
        "GIFT_CARD_SECRET": "g" * 32,
    }


def test_monitoring_watches_every_process_that_says_how_it_is() -> None:
    watched = dict(entry.split("=") for entry in settings_of("monitoring")["WATCH_TARGETS"].split(","))

    assert watched == {
        "auth": "127.0.0.1:23002",
        "orders": "127.0.0.1:23004",
        "payments": "127.0.0.1:23006",
        "monitoring": "127.0.0.1:23008",
        "gateway": "http://127.0.0.1:23000/health",
    }


def test_the_gateway_is_told_where_everybody_is() -> None:
    assert settings_of("gateway") == {
        "API_HOST": "127.0.0.1",
        "API_PORT": "23000",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": "23001",
        "GRPC_HOST": "127.0.0.1",
        "GRPC_PORT": "0",
        "MESH_KEY": "m" * 32,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:23008",
        "AUTH_TARGET": "127.0.0.1:23002",
        "ORDERS_TARGET": "127.0.0.1:23004",
        "PAYMENTS_TARGET": "127.0.0.1:23006",
        "MONITORING_TARGET": "127.0.0.1:23008",
    }


def test_the_sandbox_keeps_its_ledger_in_the_state_directory() -> None:
    assert settings_of("sandbox") == {
        "HOST": "127.0.0.1",
        "PORT": "23010",
        "STATE_PATH": "/state/sandbox.sqlite",
        "STRIPE_WEBHOOK_URL": "http://127.0.0.1:23000/v1/webhooks/stripe",
        "STRIPE_WEBHOOK_EVENTS": (
            "payment_intent.amount_capturable_updated,payment_intent.canceled,"
            "payment_intent.payment_failed,payment_intent.succeeded,"
            "refund.created,refund.failed,refund.updated"
        ),
        "STRIPE_WEBHOOK_SECRET": "whsec_1",
    }


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_what_the_user_sets_passes_through_but_the_administrators_keys_do_not(spec: ProcessSpec) -> None:
    assert spec.environ["SENTRY_DSN"] == "https://dsn"
    assert spec.environ["PYTHONUNBUFFERED"] == "1"
    assert "postgresql://root" not in spec.environ.values()


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_no_proxy_stands_before_loopback(spec: ProcessSpec) -> None:
    assert spec.environ["no_proxy"] == "x,localhost,127.0.0.1,::1"
    assert spec.environ["NO_PROXY"] == "localhost,127.0.0.1,::1"


def test_whoever_takes_in_work_stops_first_and_what_pays_stops_after_the_services() -> None:
    stages = {name: spec.stage for name, spec in SPECS.items()}

    assert stages["gateway"] < stages["orders"] == stages["auth"] < stages["sandbox"] < Stage.STORES


def test_health_is_asked_for_in_the_protocol_that_each_speaks() -> None:
    assert SPECS["orders"].probe == Probe(ProbeKind.GRPC, "127.0.0.1:23004")
    assert SPECS["gateway"].probe == Probe(ProbeKind.GATEWAY, "127.0.0.1:23000")
    assert SPECS["sandbox"].probe == Probe(ProbeKind.HTTP, "127.0.0.1:23010/sandbox/health")


def test_migrations_are_told_every_database() -> None:
    job = migration(AROUND)

    assert job.argv[1:] == (
        "-m",
        "servicekit.migrations",
        "services.auth",
        "services.orders",
        "services.payments",
        "services.monitoring",
    )
    assert job.environ["ORDERS_DATABASE_URL"] == "postgresql://orders"
    assert "DATABASE_URL" not in job.environ


def test_the_seeding_finds_the_mesh_by_its_state_directory() -> None:
    job = seeding(AROUND)

    assert job.argv == (sys.executable, "-m", "launcher", "seed")
    assert job.environ["TILLMESH_HOME"] == "/state"


@pytest.mark.parametrize("shown", [repr(AROUND), repr(list(SPECS.values())), repr(migration(AROUND))])
def test_no_secret_is_in_what_a_plan_looks_like(shown: str) -> None:
    for secret in ("sk_test_1", "whsec_1", "a-password", "m" * 32, "postgresql://"):
        assert secret not in shown
