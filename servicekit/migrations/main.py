"""The command line: which packages, which databases, how long to wait, what to say."""

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping, Sequence

from servicekit.errors import StoreUnavailable
from servicekit.migrations.upgrade import MigrationFailed, upgrade

FAILED = 1
MISUSED = 2
_RETRY_SECONDS = 0.2


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Upgrade each package's database; returns the exit code: 0, or 1 with a line on stderr, or 2."""
    wanted = _parser().parse_args(arguments)
    urls = {
        package: _url_for(package, environ, alone=len(wanted.packages) == 1) for package in wanted.packages
    }
    missing = [package for package, url in urls.items() if not url]
    if missing:
        _complain(f"no database for {', '.join(missing)}: set {', '.join(map(_variable, missing))}")
        return MISUSED
    return asyncio.run(_upgrade_all(urls, wanted.wait))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m servicekit.migrations",
        description="Bring databases to their newest schema.",
        epilog="Each package's database is <NAME>_DATABASE_URL, such as ORDERS_DATABASE_URL for "
        "services.orders; for a single package DATABASE_URL will do.",
    )
    parser.add_argument("packages", nargs="+", metavar="PACKAGE", help="such as services.orders")
    parser.add_argument(
        "--wait",
        type=float,
        default=0,
        metavar="SECONDS",
        help="how long to wait for a database that is away",
    )
    return parser


def _variable(package: str) -> str:
    return f"{package.rpartition('.')[2].upper()}_DATABASE_URL"


def _url_for(package: str, environ: Mapping[str, str], *, alone: bool) -> str:
    return environ.get(_variable(package)) or (environ.get("DATABASE_URL", "") if alone else "")


async def _upgrade_all(urls: Mapping[str, str], wait_seconds: float) -> int:
    deadline = time.monotonic() + wait_seconds
    for package, url in urls.items():
        try:
            before, after = await _upgrade_when_there(package, url, deadline)
        except (StoreUnavailable, MigrationFailed) as error:
            _complain(f"{package}: {error}")
            return FAILED
        change = f"{before or 'empty'} -> {after}" if before != after else f"{after}, nothing to do"
        sys.stdout.write(f"{package}: {change}\n")
    return 0


async def _upgrade_when_there(package: str, url: str, deadline: float) -> tuple[str, str]:
    while True:
        try:
            return await upgrade(package, url)
        except StoreUnavailable:
            if time.monotonic() >= deadline:
                raise
        await asyncio.sleep(_RETRY_SECONDS)


def _complain(line: str) -> None:
    sys.stderr.write(f"migrations: {line}\n")
