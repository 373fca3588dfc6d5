"""The payment provider behind our port. Its errors become ours here and nowhere else.

Stripe's library is imported here first, without what it would only look at: an HTTP client
that we do not use, and httpx's command line. That spares this process 9 MB.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast


@contextmanager
def _without(*names: str) -> Iterator[None]:
    """Imports in the block go on as on a machine that has not got these modules."""
    hidden = [name for name in names if name not in sys.modules]
    # None says "not to be found" to the import system (importlib's documentation of sys.modules).
    sys.modules.update(dict.fromkeys(hidden, cast("ModuleType", None)))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _without("requests", "httpx._main"):
    import stripe  # noqa: F401 - for what follows
