"""The `/metrics` page of one process, in Prometheus's text format, from a thread of its own.

It answers while the event loop is busy, which is when it is wanted most.
"""

from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry, start_http_server


class MetricsPage:
    """Serves a registry while the block runs.

    Args:
        host: Address to bind.
        port: Port to bind; 0 lets the system choose, and `port` tells what it chose.
        registry: What is shown.
    """

    def __init__(self, host: str, port: int, registry: CollectorRegistry) -> None:
        self._host = host
        self._registry = registry
        self.port = port

    def __enter__(self) -> Self:
        """Begin to serve.

        Raises:
            OSError: The address cannot be bound, such as a port that is taken.
        """
        self._server, self._thread = start_http_server(self.port, self._host, self._registry)
        self.port = self._server.server_port
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        stack: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
