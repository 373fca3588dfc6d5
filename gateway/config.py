"""What the gateway is told from outside."""

from ipaddress import ip_network
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field

from gateway.addresses import Network
from servicekit.settings import Port, Seconds, ServiceSettings

Bytes: TypeAlias = Annotated[int, Field(ge=1)]


def _networks(value: object) -> object:
    """Networks from their text, joined by commas."""
    if not isinstance(value, str):
        return value
    return tuple(ip_network(text.strip()) for text in value.split(",") if text.strip())


class GatewaySettings(ServiceSettings):
    """Settings of the gateway, beside those of every process. `http_port` serves `/metrics` here too."""

    grpc_port: Port = 0
    """Port of the gateway's own health over gRPC; 0 lets the system choose."""

    api_host: str = "127.0.0.1"
    """Address the API binds."""

    api_port: Port = 8080
    """Port of the API; 0 lets the system choose."""

    orders_target: str = "127.0.0.1:50052"
    """Where the orders service answers."""

    payments_target: str = "127.0.0.1:50053"
    """Where the payments service answers."""

    monitoring_target: str = "127.0.0.1:50054"
    """Where the monitoring service answers."""

    trusted_networks: Annotated[tuple[Network, ...], BeforeValidator(_networks)] = ()
    """Networks, such as `10.0.0.0/8,::1/128`, whose `X-Forwarded-For` and `traceparent` are believed."""

    max_body_bytes: Bytes = 1024 * 1024
    """Longest body that is read."""

    max_url_bytes: Bytes = 8 * 1024
    """Longest path and query that are read."""

    max_header_bytes: Bytes = 16 * 1024
    """Most bytes of all headers together."""

    body_seconds: Seconds = 10
    """How long a body may take to arrive."""

    head_seconds: Seconds = 10
    """How long the head of a request may take to arrive."""
