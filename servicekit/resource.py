"""Who this process is, in the words of OpenTelemetry: the same in its metrics, spans and reports."""

import socket
from importlib.metadata import version

from servicekit.settings import ServiceSettings


def resource_attributes(service: str, settings: ServiceSettings) -> dict[str, str]:
    """Attributes of the process (OpenTelemetry semantic conventions, `service.*`).

    `service.instance.id` is what Prometheus would call its `instance`: the address of
    its metrics page. So it stays the same when the process is started again.
    """
    return {
        "service.name": service,
        "service.namespace": "tillmesh",
        "service.version": version("tillmesh"),
        "service.instance.id": f"{socket.gethostname()}:{settings.http_port}",
        "deployment.environment.name": settings.environment,
    }
