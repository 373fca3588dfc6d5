"""What ends a `tillmesh` command early, each with the exit code it ends with.

The message is one line for a person: what is wrong, and what to do about it.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOTHING_RUNS = 3
EXIT_INTERRUPTED = 130


class CommandFailed(Exception):
    """The command cannot do what it was asked."""

    exit_code: ClassVar[int] = EXIT_FAILED


class BadUsage(CommandFailed):
    """An argument or a variable of the environment makes no sense; nothing was touched."""

    exit_code = EXIT_USAGE


class NothingRuns(CommandFailed):
    """The command needs a running mesh, and there is none."""

    exit_code = EXIT_NOTHING_RUNS
