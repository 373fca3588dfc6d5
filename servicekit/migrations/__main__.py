"""The command; the only part that reads the environment."""

import os
import sys

from servicekit.migrations.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
