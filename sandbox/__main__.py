"""`python -m sandbox`."""

import os
import sys

from sandbox.main import main

if __name__ == "__main__":
    sys.exit(main(os.environ, sys.argv[1:]))
