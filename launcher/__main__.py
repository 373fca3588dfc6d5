"""`tillmesh`, and `python -m launcher`."""

import os
import sys

from launcher.cli import run


def main() -> int:
    """Run the command line; the exit code."""
    # The gRPC library remarks on every connection that ends, on whatever stands on the screen.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    return run(sys.argv[1:], os.environ)


if __name__ == "__main__":
    sys.exit(main())
