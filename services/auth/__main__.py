"""Runs auth: `python -m services.auth`."""

import os
import sys

from services.auth.main import main

if __name__ == "__main__":
    sys.exit(main(os.environ))
