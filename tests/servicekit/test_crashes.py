import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator, Mapping

import pytest
from typing_extensions import override

from servicekit import crashes
from servicekit.instruments import Instruments
from servicekit.sentry import ErrorReporter


class Notes(ErrorReporter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    @override
    def report(self, error: BaseException, *, tags: Mapping[str, str]) -> str:
        self.told.append((str(error), tags["source"]))
        return "id"

    @override
    def flush(self, seconds: float) -> None:
        pass


class House:
    """What a process has when its handlers are installed."""

    def __init__(self) -> None:
        self.notes = Notes()
        self.instruments = Instruments("shop")
        self.lost: list[tuple[str, str]] = []

    def lose(self, error: BaseException) -> None:
        self.lost.append((str(error), threading.current_thread().name))

    def counted(self, source: str) -> float:
        value = self.instruments.registry.get_sample_value("crashes_total", {"source": source})
        return value or 0.0


@pytest.fixture
async def house(caplog: pytest.LogCaptureFixture) -> House:
    return House()


@pytest.fixture
async def installed(house: House) -> AsyncIterator[House]:
    with crashes.install(house.notes, house.instruments, house.lose):
        yield house


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


def fail(text: str) -> None:
    raise ValueError(text)


async def test_an_error_of_a_thread_is_recorded_once_and_loses_the_process(
    installed: House, caplog: pytest.LogCaptureFixture
) -> None:
    thread = threading.Thread(target=fail, args=("thread broke",), name="sweeper")
    thread.start()
    thread.join()
    await asyncio.sleep(0)

    assert installed.notes.told == [("thread broke", "thread")]
    assert installed.lost == [("thread broke", threading.main_thread().name)]
    assert installed.counted("thread") == 1
    (record,) = caplog.records
    assert record.message == "crashed"
    assert record.exc_info is not None
    assert vars(record)["event_fields"] == {"source": "thread", "thread": "sweeper"}


async def test_a_thread_that_exits_by_itself_is_no_crash(installed: House) -> None:
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join()

    assert installed.notes.told == []


async def test_an_error_of_a_callback_is_recorded_and_the_process_goes_on(installed: House) -> None:
    asyncio.get_running_loop().call_soon(fail, "callback broke")
    await asyncio.sleep(0.01)

    assert installed.notes.told == [("callback broke", "loop")]
    assert installed.counted("loop") == 1
    assert installed.lost == []


async def test_an_error_of_a_task_nobody_awaited_is_recorded(installed: House) -> None:
    async def work() -> None:
        fail("task broke")

    task = asyncio.create_task(work(), name="forgotten")
    await asyncio.wait([task])
    del task
    gc.collect()

    assert installed.notes.told == [("task broke", "loop")]


async def test_what_the_loop_says_without_an_error_is_logged_only(
    installed: House, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.get_running_loop().call_exception_handler({"message": "odd"})

    assert logged(caplog) == ["loop_complained"]
    assert installed.notes.told == []


class Careless:
    def __del__(self) -> None:
        fail("finalizer broke")


async def test_an_error_of_a_finalizer_is_recorded_and_the_process_goes_on(installed: House) -> None:
    Careless()
    gc.collect()

    assert installed.notes.told == [("finalizer broke", "unraisable")]
    assert installed.lost == []


async def test_an_error_of_the_main_thread_is_recorded(installed: House) -> None:
    error = ValueError("main broke")

    sys.excepthook(ValueError, error, None)
    await asyncio.sleep(0)

    assert installed.notes.told == [("main broke", "main")]
    assert [text for text, _ in installed.lost] == ["main broke"]


async def test_an_interrupt_is_no_crash(installed: House, capsys: pytest.CaptureFixture[str]) -> None:
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)

    assert installed.notes.told == []
    assert "KeyboardInterrupt" in capsys.readouterr().err


async def test_lack_of_memory_loses_the_process_wherever_it_surfaces(installed: House) -> None:
    asyncio.get_running_loop().call_exception_handler({"message": "", "exception": MemoryError("no room")})
    await asyncio.sleep(0)

    assert [text for text, _ in installed.lost] == ["no room"]


async def test_everything_is_restored(house: House) -> None:
    loop = asyncio.get_running_loop()
    before = sys.excepthook, threading.excepthook, sys.unraisablehook, loop.get_exception_handler()

    with crashes.install(house.notes, house.instruments, house.lose):
        within = sys.excepthook, threading.excepthook, sys.unraisablehook, loop.get_exception_handler()

    after = sys.excepthook, threading.excepthook, sys.unraisablehook, loop.get_exception_handler()
    assert after == before
    assert not set(within) & set(before)


def test_a_thread_that_breaks_after_the_loop_has_closed_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House()
    hooks = []

    async def live() -> None:
        with crashes.install(house.notes, house.instruments, house.lose):
            hooks.append(threading.excepthook)

    asyncio.run(live())
    error = ValueError("late")
    hooks[0](threading.ExceptHookArgs((ValueError, error, None, None)))

    assert house.notes.told == [("late", "thread")]
    assert house.lost == []
