"""The composition root of the gateway."""

from collections.abc import Mapping
from functools import partial

from google.protobuf.descriptor import FileDescriptor

from gateway.app import Endpoint, Gateway
from gateway.calls import Calls
from gateway.config import GatewaySettings
from gateway.health import add_pages
from gateway.incoming import Limits
from gateway.matching import Paths
from gateway.peers import Peers
from gateway.protocol import BoundedProtocol
from gateway.routes import add_routes, our_files, peer_of
from gateway.signals import Signals
from servicekit.kit import Front, Kit
from servicekit.published_keys import published_keys
from servicekit.serve import serve
from servicekit.tokens import UserTokens


def main(environ: Mapping[str, str]) -> int:
    """Run the gateway until it is told to stop; returns its exit code."""
    return serve("gateway", GatewaySettings, build, environ)


async def build(kit: Kit[GatewaySettings]) -> None:
    """Make the table from the descriptors, and serve it."""
    settings = kit.settings
    files = our_files()
    table: Paths[Endpoint] = Paths()
    add_pages(table, kit.health.snapshot)
    add_routes(table, files)

    targets = {
        "auth": settings.auth_target,
        "orders": settings.orders_target,
        "payments": settings.payments_target,
        "monitoring": settings.monitoring_target,
    }
    channels = {peer: kit.channel(peer, target, *_apis(files, peer)) for peer, target in targets.items()}
    key_set = published_keys(channels["auth"])
    kit.keys(key_set)

    limits = Limits(
        body_bytes=settings.max_body_bytes,
        url_bytes=settings.max_url_bytes,
        header_bytes=settings.max_header_bytes,
        head_seconds=settings.head_seconds,
        body_seconds=settings.body_seconds,
    )
    users = UserTokens(key_set, kit.clock)
    kit.work("keys", users.keep_keys)
    calls = Calls(Peers(channels), users, limits)
    signals = Signals(
        kit.instruments.histogram("http_server_request_duration_seconds"),
        kit.tracers.get_tracer("tillmesh.gateway"),
        lambda error, tags: kit.reporter.report(error, tags=dict(tags)),
        kit.make_id,
        sample_ratio=settings.otel_traces_sampler_arg,
        trusted=settings.trusted_networks,
    )
    app = Gateway(table, calls, signals, kit.clock)
    kit.asgi(Front(app, settings.api_host, settings.api_port, partial(BoundedProtocol, limits)))


def _apis(files: list[FileDescriptor], peer: str) -> list[FileDescriptor]:
    return [file for file in files if file.services_by_name and peer_of(file) == peer]
