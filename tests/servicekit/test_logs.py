import json
import logging
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import TracerProvider
from typing_extensions import override

from servicekit import context, logs

CANARY = "canary-4242424242424242"


class Lines:
    """What stderr received, as parsed lines."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._capture.readouterr().err.splitlines()]

    def only(self) -> dict[str, Any]:
        (line,) = self.all()
        return line


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("orders", "INFO")
    yield Lines(capsys)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


log = logs.logger("tests.shop")


def test_an_event_is_one_json_line_with_its_facts_as_fields(lines: Lines) -> None:
    with context.scope(context.RequestContext(request_id="r-1")):
        log.info("order_completed", order_id="o-1", total_minor=1200)

    line = lines.only()
    assert datetime.fromisoformat(line.pop("ts")).tzinfo == UTC
    assert line == {
        "level": "info",
        "logger": "tests.shop",
        "event": "order_completed",
        "service": "orders",
        "request_id": "r-1",
        "order_id": "o-1",
        "total_minor": 1200,
    }


def test_a_line_written_inside_a_span_names_its_trace(lines: Lines) -> None:
    with TracerProvider().get_tracer("test").start_as_current_span("charge") as span:
        log.info("order_completed")

    line = lines.only()
    assert int(line["trace_id"], 16) == span.get_span_context().trace_id
    assert int(line["span_id"], 16) == span.get_span_context().span_id


def test_a_line_of_an_unsampled_request_names_its_trace_all_the_same(lines: Lines) -> None:
    with context.scope(context.RequestContext(traceparent=f"00-{'a' * 32}-{'b' * 16}-00")):
        log.info("order_completed")

    line = lines.only()
    assert (line["trace_id"], line["span_id"]) == ("a" * 32, "b" * 16)


def test_a_traceparent_that_is_none_is_not_repeated(lines: Lines) -> None:
    with context.scope(context.RequestContext(traceparent="<script>" * 9)):
        log.info("order_completed")

    assert "trace_id" not in lines.only()


def test_an_exception_is_described_by_type_message_and_stack(lines: Lines) -> None:
    try:
        dict[str, str]()["o-1"]
    except LookupError:
        log.exception("order_lost", order_id="o-1")

    line = lines.only()
    assert (line["level"], line["error_type"], line["error_message"]) == ("error", "KeyError", "'o-1'")
    assert "test_an_exception_is_described" in line["error_stack"]


def test_an_exception_that_is_not_being_handled_can_be_given(lines: Lines) -> None:
    log.warning("call_retried", exc_info=TimeoutError("slow"))

    assert lines.only()["error_type"] == "TimeoutError"


def test_values_of_sensitive_names_are_redacted_at_any_depth(lines: Lines) -> None:
    log.info("login_failed", password=CANARY, headers=[{"Authorization": CANARY, "host": "shop"}])

    line = lines.only()
    assert line["password"] == "[redacted]"
    assert line["headers"] == [{"Authorization": "[redacted]", "host": "shop"}]


def test_what_looks_like_a_secret_is_scrubbed_from_free_text(lines: Lines) -> None:
    fault = f"postgresql://orders:{CANARY}@db Key (email)=(ann@example.org)"
    fault += " card 4242 4242 4242 4242 sk_test_" + "a" * 9

    log.error("store_failed", exc_info=ValueError(fault))
    logging.getLogger("library").warning("sent %s", f"Bearer {CANARY}")

    described, library = lines.all()
    assert "canary" not in json.dumps([described, library])
    assert described["error_message"] == (
        "postgresql://[redacted]@db Key (email)=([redacted]) card [redacted] [redacted]"
    )


def test_numbers_that_are_no_card_stay_readable(lines: Lines) -> None:
    logging.getLogger("library").warning("took 1732384800123456789 ns for 4242424242424241 rows")

    assert lines.only()["message"] == "took 1732384800123456789 ns for 4242424242424241 rows"


def test_a_library_that_logs_comes_out_as_an_event_too(lines: Lines) -> None:
    logging.getLogger("asyncpg").warning("pool of %d is\nempty", 10)

    line = lines.only()
    assert (line["event"], line["logger"], line["message"]) == (
        "library_logged",
        "asyncpg",
        "pool of 10 is\nempty",
    )


def test_a_faulty_format_string_of_a_library_costs_nothing() -> None:
    record = logging.makeLogRecord({"msg": "%d rows", "args": ("many",), "levelno": logging.WARNING})

    line = json.loads(logs.JsonLines("orders").format(record))

    assert line["message"] == "%d rows"


def test_a_warning_becomes_a_line(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old call", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)

    assert "old call" in lines.only()["message"]


def test_the_calls_of_talkative_libraries_are_not_repeated(lines: Lines) -> None:
    logging.getLogger("httpx").info("HTTP Request: POST ...")

    assert lines.all() == []


def test_events_below_the_level_are_not_written(lines: Lines) -> None:
    log.debug("cache_missed")

    assert lines.all() == []


class Colour(Enum):
    RED = "red"


class Body:
    @override
    def __repr__(self) -> str:
        return CANARY


def test_objects_are_named_and_never_written_out(lines: Lines) -> None:
    log.info(
        "order_read",
        order=Body(),
        orders=[Body()],
        raw=b"canary",
        colour=Colour.RED,
        id=UUID(int=7),
        share=float("nan"),
        text="x" * 2001,
    )

    line = lines.only()
    assert (line["order"], line["orders"], line["raw"]) == ("<Body>", ["<Body>"], "<bytes>")
    assert (line["colour"], line["id"], line["share"]) == ("red", str(UUID(int=7)), "nan")
    assert line["text"] == f"{'x' * 2000}… (2001 characters)"


def test_a_field_cannot_pass_for_a_column_of_the_line(lines: Lines) -> None:
    log.info("order_read", service="payments", level="debug", event="fine")

    line = lines.only()
    assert (line["event"], line["level"], line["service"]) == ("order_read", "info", "orders")
    assert (line["field_event"], line["field_level"], line["field_service"]) == ("fine", "debug", "payments")


def test_values_json_cannot_say_never_raise(lines: Lines) -> None:
    endless: list[Any] = []
    endless.append(endless)

    log.info("order_read", endless=endless, nested={"share": float("inf")}, lone="\ud800")

    line = lines.only()
    assert line["event"] == "order_read"
    assert line["nested"] == "<dict>"
