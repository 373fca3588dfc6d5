"""Errors that are our fault, reported to Sentry with nothing in them that is not ours to tell.

An event is rebuilt from an allow-list before it is sent: the type of each exception,
its scrubbed message, where in the code it came from, and the ids by which logs and
traces are found. No local variables, no breadcrumbs, no bodies, no headers. Nothing
of the library is global: no hooks, no patches, no tracing (OpenTelemetry does that).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from typing_extensions import override

from servicekit import context
from servicekit.correlation import trace_place
from servicekit.logs import logger
from servicekit.redaction import REDACTED, SENSITIVE_NAMES, is_sensitive, scrubbed
from servicekit.resource import resource_attributes
from servicekit.settings import ServiceSettings

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

LONGEST_MESSAGE: Final = 2_000
"""Characters of an exception's message."""

_EVENT_FIELDS = ("event_id", "timestamp", "platform", "level", "release", "environment", "server_name", "sdk")
_FRAME_FIELDS = ("filename", "function", "module", "lineno", "in_app")

log = logger(__name__)


class ErrorReporter(Protocol):
    """Tells people of an error that is our fault."""

    def report(self, error: BaseException, *, tags: Mapping[str, str]) -> str:
        """Take note of `error`, without waiting and without raising; its event id, empty if there is none."""
        ...

    def flush(self, seconds: float) -> None:
        """Wait until what was reported is sent, at most `seconds`. Blocks: call it in a thread."""
        ...


class NullReporter(ErrorReporter):
    """Tells nobody: the log has said it."""

    @override
    def report(self, error: BaseException, *, tags: Mapping[str, str]) -> str:
        return ""

    @override
    def flush(self, seconds: float) -> None:
        pass


class SentryReporter(ErrorReporter):
    """Reports to Sentry, or to whatever speaks its protocol.

    Args:
        dsn: Where to report.
        service: The service's name, a tag of every event.
        settings: The deployment and the process, as every event names them.
    """

    def __init__(self, dsn: str, service: str, settings: ServiceSettings) -> None:
        # Here, not above: it takes 23 MB, which a process without a DSN never pays.
        import sentry_sdk  # noqa: PLC0415 - see above
        from sentry_sdk.scrubber import DEFAULT_DENYLIST, EventScrubber  # noqa: PLC0415 - see above
        from sentry_sdk.utils import event_from_exception  # noqa: PLC0415 - see above

        process = resource_attributes(service, settings)
        self._service = service
        self._event_from = event_from_exception
        self._client = sentry_sdk.Client(
            dsn=dsn,
            environment=settings.environment,
            release=f"tillmesh@{process['service.version']}",
            server_name=process["service.instance.id"],
            before_send=_allowed,
            event_scrubber=EventScrubber([*DEFAULT_DENYLIST, *SENSITIVE_NAMES], recursive=True),
            include_local_variables=False,
            include_source_context=False,
            max_breadcrumbs=0,
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            enable_backpressure_handling=False,
            propagate_traces=False,
            send_client_reports=False,
        )

    @override
    def report(self, error: BaseException, *, tags: Mapping[str, str]) -> str:
        try:
            event, hint = self._event_from(error, client_options=self._client.options)
            event["tags"] = {**tags, **self._ids()}
            return self._client.capture_event(event, hint) or ""
        except Exception as fault:
            log.warning("report_failed", exc_info=fault)
            return ""

    @override
    def flush(self, seconds: float) -> None:
        self._client.flush(timeout=seconds)

    def _ids(self) -> dict[str, str]:
        request_id, trace_id = context.current().request_id, trace_place().trace_id
        return {"service": self._service, "request_id": request_id, "trace_id": trace_id}


def reporter_for(service: str, settings: ServiceSettings) -> ErrorReporter:
    """Who is told of errors: Sentry where the settings have a DSN, else nobody."""
    dsn = settings.sentry_dsn.get_secret_value()
    return SentryReporter(dsn, service, settings) if dsn else NullReporter()


def _allowed(event: "Event", hint: "Hint") -> "Event":  # noqa: ARG001 - Sentry's signature
    """A new event with what may be told, and nothing else."""
    given: dict[str, Any] = dict(event)
    allowed: dict[str, Any] = {name: given[name] for name in _EVENT_FIELDS if name in given}
    allowed["tags"] = {
        name: REDACTED if is_sensitive(name) else scrubbed(str(value))
        for name, value in given.get("tags", {}).items()
    }
    allowed["exception"] = {"values": [_exception(one) for one in given["exception"]["values"]]}
    return allowed  # type: ignore[return-value]


def _exception(given: Mapping[str, Any]) -> dict[str, Any]:
    frames = (given.get("stacktrace") or {}).get("frames", [])
    return {
        "type": given.get("type"),
        "module": given.get("module"),
        "value": scrubbed(str(given.get("value") or "")[:LONGEST_MESSAGE]),
        "mechanism": given.get("mechanism"),
        "stacktrace": {"frames": [{name: frame.get(name) for name in _FRAME_FIELDS} for frame in frames]},
    }
