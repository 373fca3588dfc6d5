"""The ASGI application: paths, methods, and what stands behind each."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import unquote

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from servicekit.logs import logger
from services.monitoring.ingest import Intake
from services.monitoring.prometheus import answers
from services.monitoring.prometheus.errors import ApiError, bad_data, of_query
from services.monitoring.prometheus.parameters import Parameters
from services.monitoring.prometheus.queries import Queries
from services.monitoring.promql import BadPattern, QueryError
from services.monitoring.wire import remote_write

log = logger(__name__)

Receive: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]

MOST_BODY_BYTES = 16 * 1024 * 1024
BODY_SECONDS = 30.0
"""For a whole body: who sends slower is cut off."""

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_LABEL_VALUES = re.compile(r"/api/v1/label/([^/]+)/values")
_BUILD = {
    "version": "3.0.0",
    "revision": "tillmesh",
    "branch": "",
    "buildUser": "",
    "buildDate": "",
    "goVersion": "",
}
"""Grafana reads the version to know what it may ask: our language and our API are those of 3.x."""


class Answer(NamedTuple):
    """What goes back."""

    status: int
    body: bytes
    kind: str = _JSON


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


class PrometheusApi:
    """Prometheus's paths, remote write, and this process's own `/metrics`."""

    def __init__(self, queries: Queries, intake: Intake, registry: CollectorRegistry) -> None:
        self._queries = queries
        self._intake = intake
        self._registry = registry
        self._reads: Mapping[str, Callable[[Parameters], Awaitable[bytes]]] = {
            "/api/v1/query": queries.instant,
            "/api/v1/query_range": queries.range,
            "/api/v1/series": queries.series,
            "/api/v1/labels": queries.labels,
            "/api/v1/metadata": self._metadata,
            "/api/v1/status/buildinfo": self._build,
        }

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """See ASGI 3."""
        try:
            answer = await self._answered(scope, receive)
        except ClientGone:
            return
        headers = [
            (b"content-type", answer.kind.encode()),
            (b"content-length", str(len(answer.body)).encode()),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _answered(self, scope: Mapping[str, Any], receive: Receive) -> Answer:
        try:
            return await self._route(scope, receive)
        except ApiError as error:
            return Answer(error.status, answers.of_error(error))
        except (QueryError, BadPattern) as error:
            refusal = of_query(error)
            return Answer(refusal.status, answers.of_error(refusal))
        except ClientGone:
            raise
        except Exception:
            log.exception("prometheus_api_failed", path=scope["path"][:200])
            return Answer(
                500, answers.of_error(ApiError(500, "internal", "an error of ours; the log has it"))
            )

    async def _route(self, scope: Mapping[str, Any], receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        if path == "/metrics":
            return await self._metrics(scope)
        if path == "/api/v1/write":
            return await self._write(scope, receive)
        read = self._reads.get(path) or self._of_label(scope)
        if read is None:
            return Answer(404, b"404 page not found\n", "text/plain; charset=utf-8")
        if method not in ("GET", "HEAD", "POST"):
            return Answer(405, b"Method Not Allowed\n", "text/plain; charset=utf-8")
        form = await _form(scope, receive) if method == "POST" else b""
        asked = read(Parameters(scope["query_string"], form))
        return Answer(200, await _while_listening(asked, receive))

    def _of_label(self, scope: Mapping[str, Any]) -> Callable[[Parameters], Awaitable[bytes]] | None:
        raw = scope.get("raw_path") or scope["path"].encode()
        found = _LABEL_VALUES.fullmatch(raw.decode("latin-1").partition("?")[0])
        if found is None:
            return None
        name = unquote(found[1])
        return lambda parameters: self._queries.label_values(name, parameters)

    async def _metadata(self, parameters: Parameters) -> bytes:
        return answers.of_metrics(self._intake.metrics, parameters.text("metric"), parameters.limit())

    async def _build(self, _: Parameters) -> bytes:
        return answers.of_data(_BUILD)

    async def _metrics(self, scope: Mapping[str, Any]) -> Answer:
        encode, kind = choose_encoder(_header(scope, b"accept"))
        return Answer(200, await asyncio.to_thread(encode, self._registry), kind)

    async def _write(self, scope: Mapping[str, Any], receive: Receive) -> Answer:
        if scope["method"] != "POST":
            return Answer(405, b"Method Not Allowed\n", "text/plain; charset=utf-8")
        if "io.prometheus.write.v2" in _header(scope, b"content-type"):
            return Answer(415, b"remote write 1.0 is what is taken here\n", "text/plain; charset=utf-8")
        body = await _body(scope, receive)
        try:
            request = remote_write.unpacked(body)
        except remote_write.NoWriteRequest as fault:
            return Answer(400, f"{fault}\n".encode(), "text/plain; charset=utf-8")
        address = scope["client"][0] if scope.get("client") else "unix"
        receipts = []
        for receipt in remote_write.take(request, address, self._intake):
            receipts.append(receipt)
            await asyncio.sleep(0)  # a large request must not keep the loop from everybody else
        status, text = remote_write.answer(receipts)
        return Answer(status, text.encode(), "text/plain; charset=utf-8")


async def _while_listening(asked: Awaitable[bytes], receive: Receive) -> bytes:
    """The answer; or `ClientGone`, and the work stopped, once the client hangs up."""
    working = asyncio.ensure_future(asked)
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGone
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _form(scope: Mapping[str, Any], receive: Receive) -> bytes:
    body = await _body(scope, receive)
    kind = _header(scope, b"content-type").partition(";")[0].strip().lower()
    if body and kind != _FORM:
        raise bad_data(f"error parsing form values: the content type must be {_FORM}")
    return body


async def _body(scope: Mapping[str, Any], receive: Receive) -> bytes:
    length = _header(scope, b"content-length")
    if length.isdigit() and int(length[:18]) > MOST_BODY_BYTES:
        raise ApiError(413, "bad_data", f"a body may have {MOST_BODY_BYTES} bytes")
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > MOST_BODY_BYTES:
                    raise ApiError(413, "bad_data", f"a body may have {MOST_BODY_BYTES} bytes")
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise ApiError(408, "bad_data", f"the body took more than {BODY_SECONDS:g} s") from None


def _header(scope: Mapping[str, Any], name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
