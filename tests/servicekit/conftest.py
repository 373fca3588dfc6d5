"""Which event loop the tests here run on: RPC on that of our services, the chain on the default one too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

DEFAULT: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
OURS: dict[str, LoopFactory] = {"uvloop": uvloop.new_event_loop}
BY_MODULE = {
    "test_chain.py": DEFAULT | OURS,
    "test_chain_streams.py": DEFAULT | OURS,
    "test_chain_traces.py": DEFAULT | OURS,
    "test_channel.py": OURS,
}


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    return BY_MODULE.get(item.path.name, DEFAULT)
