"""`tillmesh`, and `python -m launcher`."""

import os
import sys

from launcher.cli import run


def main() -> int:
    """Run the command line; the exit code."""
    return run(sys.argv[1:], os.environ)


if __name__ == "__main__":
    sys.exit(main())
