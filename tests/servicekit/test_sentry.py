import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import sentry_sdk
from pydantic import SecretStr
from typing_extensions import override

from servicekit import context
from servicekit.sentry import ErrorReporter, NullReporter, SentryReporter, reporter_for
from servicekit.settings import ServiceSettings

CANARY = "hunter2-canary"
CARD = "4242424242424242"


class Sentry(ThreadingHTTPServer):
    """An HTTP server that speaks Sentry's envelope protocol and keeps the raw bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Envelopes)
        self.bodies: list[bytes] = []
        self.paths: list[str] = []

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self.server_port}/7"

    @property
    def events(self) -> list[dict[str, Any]]:
        """Envelopes are lines: a header, then a header and a payload for each item."""
        lines = [body.split(b"\n") for body in self.bodies]
        return [
            json.loads(payload) for _, header, payload, *_ in lines if json.loads(header)["type"] == "event"
        ]


class Envelopes(BaseHTTPRequestHandler):
    server: Sentry

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_zipped = self.headers.get("Content-Encoding") == "gzip"
        self.server.bodies.append(gzip.decompress(body) if is_zipped else body)
        self.server.paths.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    with Sentry() as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def settings(dsn: str = "") -> ServiceSettings:
    return ServiceSettings(
        grpc_port=0,
        http_port=9082,
        mesh_key=SecretStr("k" * 32),
        sentry_dsn=SecretStr(dsn),
        environment="test",
    )


@pytest.fixture
def reporter(sentry: Sentry) -> ErrorReporter:
    return reporter_for("shop", settings(sentry.dsn))


def charge(card: str, password: str) -> None:
    request = {"card": {"number": card}, "password": password}
    if request:
        raise ValueError(f"the provider refused {card} with password={password}")


def refused_charge(card: str, password: str) -> BaseException:
    try:
        charge(card, password)
    except ValueError as error:
        return error
    raise AssertionError("charge() raises")


def test_an_error_arrives_once_with_its_ids_and_its_place(reporter: ErrorReporter, sentry: Sentry) -> None:
    request = context.RequestContext(request_id="r-1", traceparent=f"00-{'a' * 32}-{'b' * 16}-00")
    with context.scope(request):
        event_id = reporter.report(refused_charge("", ""), tags={"rpc": "/shop/Charge"})

    reporter.flush(5)

    (event,) = sentry.events
    assert sentry.paths == ["/api/7/envelope/"]
    assert event["event_id"] == event_id
    assert event["tags"] == {
        "service": "shop",
        "request_id": "r-1",
        "trace_id": "a" * 32,
        "rpc": "/shop/Charge",
    }
    assert (event["environment"], event["level"]) == ("test", "error")
    (error,) = event["exception"]["values"]
    assert error["type"] == "ValueError"
    assert [frame["function"] for frame in error["stacktrace"]["frames"]] == ["refused_charge", "charge"]


def test_no_secret_leaves_the_process(reporter: ErrorReporter, sentry: Sentry) -> None:
    error = refused_charge(CARD, CANARY)
    error.add_note(f"Authorization: Bearer {CANARY}")

    reporter.report(error, tags={"password": CANARY, "url": f"postgresql://shop:{CANARY}@db"})
    reporter.flush(5)

    (body,) = sentry.bodies
    assert b"canary" not in body
    assert CARD.encode() not in body
    assert b"[redacted]" in body


def test_the_library_as_it_comes_sends_what_local_variables_hold(sentry: Sentry) -> None:
    """The negative control of the test above."""
    client = sentry_sdk.Client(dsn=sentry.dsn, default_integrations=False)
    event, hint = sentry_sdk.utils.event_from_exception(refused_charge(CARD, CANARY), client.options)

    client.capture_event(event, hint)
    client.flush(timeout=5)

    assert CARD.encode() in sentry.bodies[0]


def test_every_error_of_a_chain_is_told(reporter: ErrorReporter, sentry: Sentry) -> None:
    error = RuntimeError("no answer")
    error.__cause__ = refused_charge("", "")

    reporter.report(error, tags={})
    reporter.flush(5)

    assert [one["type"] for one in sentry.events[0]["exception"]["values"]] == ["ValueError", "RuntimeError"]


def test_nothing_of_the_library_becomes_global(reporter: ErrorReporter) -> None:
    assert not sentry_sdk.get_client().is_active()


def test_a_sentry_that_is_away_costs_nothing() -> None:
    reporter = SentryReporter("http://public@127.0.0.1:1/7", "shop", settings())

    assert reporter.report(ValueError("lost"), tags={})
    reporter.flush(0.2)


class Unprintable(Exception):
    @override
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_error_without_words_is_reported_too(reporter: ErrorReporter, sentry: Sentry) -> None:
    reporter.report(Unprintable(), tags={})
    reporter.flush(5)

    assert sentry.events[0]["exception"]["values"][0]["type"] == "Unprintable"


def test_without_a_dsn_nobody_is_told() -> None:
    reporter = reporter_for("shop", settings())

    assert isinstance(reporter, NullReporter)
    assert reporter.report(ValueError(), tags={}) == ""
    reporter.flush(1)
