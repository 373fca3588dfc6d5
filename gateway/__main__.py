"""Run the gateway as the environment says."""

import os
import sys

from gateway.main import main

if __name__ == "__main__":
    sys.exit(main(os.environ))
