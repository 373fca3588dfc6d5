"""The health of the gateway over HTTP, from its own health names: 200 or 503.

The body has the shape of draft-inadarei-api-health-check-06. Nothing is asked of
anybody: what is told was found out before, so a probe costs nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway import templates
from gateway.answer import Answer, json_answer
from gateway.matching import Paths
from servicekit import health
from servicekit.health import HealthState

MEDIA_TYPE: Final = "application/health+json"
PAGES: Final[Mapping[str, str]] = {
    "/health": health.SERVER,
    "/health/live": health.LIVENESS,
    "/health/ready": health.READINESS,
    "/health/startup": health.STARTUP,
}
"""Paths and the health names that they tell."""

Snapshot = Callable[[], Mapping[str, HealthState]]


@dataclass(frozen=True, slots=True)
class Page:
    """What the gateway answers by itself at one path."""

    path: str
    answer: Callable[[], Answer]


def add_pages(table: Paths[Any], snapshot: Snapshot) -> None:
    """Let the health pages answer for what `snapshot` tells at that moment."""
    for path, name in PAGES.items():
        table.add("GET", templates.parse(path), Page(path, _page(name, snapshot)))


def _page(name: str, snapshot: Snapshot) -> Callable[[], Answer]:
    def answer() -> Answer:
        states = snapshot()
        state = states.get(name, HealthState(serving=False, reason="not known yet"))
        document: dict[str, Any] = {"status": _status(state)}
        if state.reason:
            document["output"] = state.reason
        if name == health.SERVER:
            document["checks"] = {known: [_check(told)] for known, told in sorted(states.items()) if known}
        return json_answer(200 if state.serving else 503, document, content_type=MEDIA_TYPE)

    return answer


def _check(state: HealthState) -> dict[str, str]:
    return {"status": _status(state)} | ({"output": state.reason} if state.reason else {})


def _status(state: HealthState) -> str:
    return "pass" if state.serving else "fail"
