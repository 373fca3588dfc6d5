"""Runs payments: `python -m services.payments`."""

import os
import sys

from services.payments.main import main

if __name__ == "__main__":
    sys.exit(main(os.environ))
