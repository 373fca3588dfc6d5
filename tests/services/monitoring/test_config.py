import pytest

from servicekit.settings import BadSettings, load
from services.monitoring.config import MonitoringSettings, WatchTarget

ENVIRON = {
    "GRPC_PORT": "0",
    "HTTP_PORT": "0",
    "MESH_KEY": "k" * 32,
    "DATABASE_URL": "postgresql://monitoring@127.0.0.1/monitoring",
}


def targets(text: str) -> tuple[WatchTarget, ...]:
    return load(MonitoringSettings, ENVIRON | {"WATCH_TARGETS": text}).watch_targets


def test_targets_are_read_by_name_and_address() -> None:
    read = targets("auth=127.0.0.1:50051, gateway=http://127.0.0.1:8080/health/ready,local=unix:/run/it,")

    assert read == (
        WatchTarget("auth", "127.0.0.1:50051"),
        WatchTarget("gateway", "http://127.0.0.1:8080/health/ready"),
        WatchTarget("local", "unix:/run/it"),
    )
    assert [target.is_http for target in read] == [False, True, False]


def test_nobody_is_watched_unless_named() -> None:
    assert load(MonitoringSettings, ENVIRON).watch_targets == ()


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(BadSettings) as refused:
        targets("auth,Orders=127.0.0.1:1,a=127.0.0.1:1,a=127.0.0.1:2,b=127.0.0.1,c=host:0,d=http://")

    fault = str(refused.value)
    assert fault.startswith("WATCH_TARGETS: ")
    for part in (
        "'auth' is not of the form",
        "'Orders' is not a name",
        "'a' is named twice",
        "'b' is at",
        "'c' is at 'host:0'",
        "'d' is at",
    ):
        assert part in fault


@pytest.mark.parametrize(
    "address", ["host:70000", "http://host:99999", "http://host:0", "unix:", ":1 2:3", ""]
)
def test_an_address_that_cannot_be_called_is_refused(address: str) -> None:
    with pytest.raises(BadSettings):
        targets(f"auth={address}")
