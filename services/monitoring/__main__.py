"""Run the monitoring service: `python -m services.monitoring`."""

import os
import sys

from services.monitoring.main import main

if __name__ == "__main__":
    sys.exit(main(os.environ))
