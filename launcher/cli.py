"""The `tillmesh` command line: its verbs, their options, and how each ends.

A verb is a module of `launcher.verbs`, loaded when it is asked for: reading a log
must not wait for a database driver.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence

from launcher.errors import EXIT_INTERRUPTED, EXIT_OK, CommandFailed
from launcher.settings import read_settings

_EPILOG = """\
environment:
  TILLMESH_HOME       where state, logs and credentials are kept (.tillmesh)
  TILLMESH_PORT_BASE  the first of eleven ports in a row; unset, those of ARCHITECTURE.md
  DATABASE_URL        an administrator's URL of a PostgreSQL to use instead of our own
  REDIS_URL           a Redis to use instead of our own

exit codes:
  0 done; 1 it did not work, and a line says why; 2 arguments or variables that make
  no sense; 3 nothing runs; 130 interrupted
"""
_DEFAULT_LINES = 50


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do what the arguments say; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = read_settings(environ, getattr(options, "port_base", None))
        code: int = importlib.import_module(f"launcher.verbs.{options.module}").run(settings, options)
    except CommandFailed as failure:
        print(f"tillmesh: {failure}", file=sys.stderr)
        return failure.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read has read enough. Nothing is left to say, not even while the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tillmesh",
        description="A shop's orders, payments and sign-in on this machine, with everything they need.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_up(verbs)
    _add_status(verbs)
    _add_try(verbs)
    _add_logs(verbs)
    _add_query(verbs)
    _add(verbs, "down", "stop everything, in order; exit 0 also when nothing runs")
    _add(verbs, "seed", "fill the shop with its demonstration goods (`up` does, the first time)")
    return parser


def _add_up(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    up = _add(verbs, "up", "start everything, keep it running, and show it; Ctrl-C drains all")
    where = up.add_mutually_exclusive_group()
    where.add_argument(
        "--detach",
        action="store_true",
        help="run in the background; return once all is ready, 1 if it is not",
    )
    where.add_argument(
        "--quiet", action="store_true", help="show nothing; the log has it (logs/tillmesh.log)"
    )
    up.add_argument("--port-base", metavar="N", help="take the eleven ports from N on (TILLMESH_PORT_BASE)")


def _add_status(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    status = _add(verbs, "status", "show every process; exit 0 ready, 1 not ready, 3 nothing runs")
    status.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="wait until all is ready, at most so long"
    )
    status.add_argument("--json", action="store_true", help="print one JSON document")


def _add_try(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    trial = _add(verbs, "try", "place an order as the cashier; exit 0 only if it is COMPLETED", "trial")
    trial.add_argument("--json", action="store_true", help="print one JSON document")


def _add_logs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    logs = _add(verbs, "logs", "show what processes logged, oldest first")
    logs.add_argument("service", nargs="?", help="only this process, such as orders or postgres")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    logs.add_argument(
        "-n",
        "--lines",
        type=int,
        default=_DEFAULT_LINES,
        metavar="N",
        help="begin N lines back (%(default)s)",
    )
    logs.add_argument("--json", action="store_true", help="print lines as they were written")


def _add_query(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    query = _add(verbs, "query", "ask monitoring in PromQL; a table, or a plot over time")
    query.add_argument("promql", help="such as 'sum by (job) (rate(rpc_server_duration_seconds_count[1m]))'")
    query.add_argument("--range", default="", metavar="TIME", help="over the last 30s, 15m, 1h or 7d")
    query.add_argument("--json", action="store_true", help="print Prometheus's own answer")


def _add(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, module: str = ""
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.set_defaults(module=module or name)
    return parser
