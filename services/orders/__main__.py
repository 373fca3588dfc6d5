"""`python -m services.orders`: one process of the orders service, from environment variables."""

import os
import sys

from services.orders.main import main

if __name__ == "__main__":
    sys.exit(main(os.environ))
