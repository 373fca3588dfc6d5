import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Gauge

from servicekit.metrics_page import MetricsPage


def fetched(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge("till_open", "1 while the till is open.", registry=registry).set(1)
    return registry


def test_the_page_shows_the_registry(registry: CollectorRegistry) -> None:
    with MetricsPage("127.0.0.1", 0, registry) as page:
        text = fetched(page.port)

    assert "till_open 1.0" in text


def test_the_page_is_gone_when_its_block_ends(registry: CollectorRegistry) -> None:
    with MetricsPage("127.0.0.1", 0, registry) as page:
        port = page.port

    with pytest.raises(OSError, match="refused"):
        fetched(port)


def test_a_port_that_is_taken_is_said(registry: CollectorRegistry) -> None:
    with (
        MetricsPage("127.0.0.1", 0, registry) as page,
        pytest.raises(OSError, match="Address already in use"),
        MetricsPage("127.0.0.1", page.port, registry),
    ):
        pytest.fail("two pages on one port")
