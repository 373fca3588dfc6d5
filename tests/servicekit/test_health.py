"""Health over the wire: Check, Watch and List of our own servicer, with the library's as the control."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health as stock
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.instrumentation.grpc import aio_server_interceptor
from opentelemetry.sdk.trace import TracerProvider

from servicekit.health import Health, HealthServicer

Status = health_pb2.HealthCheckResponse


def _stock_spans() -> Any:
    return aio_server_interceptor(tracer_provider=TracerProvider())  # type: ignore[no-untyped-call] # untyped


@asynccontextmanager
async def served(servicer: Any, *, spans: bool = False) -> AsyncIterator[health_pb2_grpc.HealthStub]:
    interceptors: list[Any] = [_stock_spans()] if spans else []
    server = grpc.aio.server(interceptors=interceptors)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield health_pb2_grpc.HealthStub(channel)
    await server.stop(None)


async def test_check_answers_what_was_set() -> None:
    health = Health()
    health.set("orders", serving=True)
    health.set("readiness", serving=False, reason="postgres: no answer")

    async with served(HealthServicer(health)) as stub:
        orders = await stub.Check(health_pb2.HealthCheckRequest(service="orders"))
        readiness = await stub.Check(health_pb2.HealthCheckRequest(service="readiness"))

    assert orders.status == Status.SERVING
    assert readiness.status == Status.NOT_SERVING


async def test_check_of_an_unknown_name_is_not_found() -> None:
    async with served(HealthServicer(Health())) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Check(health_pb2.HealthCheckRequest(service="nobody"))

    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_list_names_everything() -> None:
    health = Health()
    health.set("", serving=True)
    health.set("dependency/postgres", serving=False)

    async with served(HealthServicer(health)) as stub:
        listed = await stub.List(health_pb2.HealthListRequest())

    assert {name: answer.status for name, answer in listed.statuses.items()} == {
        "": Status.SERVING,
        "dependency/postgres": Status.NOT_SERVING,
    }


async def test_watching_an_unknown_name_stays_open_until_it_is_known() -> None:
    health = Health()

    async with served(HealthServicer(health)) as stub:
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="late"))
        first = await watch.read()
        health.set("late", serving=True)
        second = await watch.read()
        watch.cancel()

    assert (first.status, second.status) == (Status.SERVICE_UNKNOWN, Status.SERVING)


async def test_a_watcher_that_reads_late_sees_the_last_state() -> None:
    health = Health()
    health.set("", serving=True)
    watch = health.watch("")
    assert (await anext(watch)) is not None

    for serving in (False, True, False):
        health.set("", serving=serving)

    state = await anext(watch)
    assert state is not None
    assert not state.serving


async def test_a_reason_that_changes_is_no_flip() -> None:
    health = Health()
    health.set("", serving=False, reason="starting")
    watch = health.watch("")
    await anext(watch)

    changed = health.set("", serving=False, reason="postgres: no answer")
    following = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)

    assert changed
    assert not following.done()
    following.cancel()


async def test_closing_ends_every_watch() -> None:
    health = Health()
    health.set("", serving=True)

    async with served(HealthServicer(health)) as stub:
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        await watch.read()
        health.close()
        ended = await watch.read()

    assert ended is grpc.aio.EOF


async def test_watch_works_under_the_tracing_interceptor() -> None:
    health = Health()
    health.set("", serving=True)

    async with served(HealthServicer(health), spans=True) as stub:
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        first = await watch.read()
        watch.cancel()

    assert first.status == Status.SERVING


# The library's coroutine is never awaited there, which is the point.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_control_the_librarys_watch_fails_under_the_tracing_interceptor() -> None:
    async with served(stock.aio.HealthServicer(), spans=True) as stub:
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await watch.read()

    assert failed.value.code() is grpc.StatusCode.UNKNOWN
