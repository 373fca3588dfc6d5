"""Run one of the two: `python -m benchmarks.rpc_chain_server bare|full`."""

import os
import sys

from benchmarks.rpc_chain_server.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1], os.environ))
