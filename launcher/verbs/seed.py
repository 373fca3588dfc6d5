"""`tillmesh seed`: fill the shop."""

from __future__ import annotations

import argparse
import json
from contextlib import closing

from launcher.api import Api
from launcher.credentials import Credentials
from launcher.errors import EXIT_OK
from launcher.files import write_private
from launcher.records import gateway_address
from launcher.seeding import Seeding
from launcher.settings import Settings
from launcher.shop import PRODUCTS


def run(settings: Settings, _options: argparse.Namespace) -> int:
    """Make the people, the products and their stock, and remember that it was done."""
    credentials = Credentials.read(settings.files.credentials)
    with closing(Api(gateway_address(settings.files.processes))) as api:
        Seeding(api, credentials).run()
    made = {"people": len(credentials.people), "products": len(PRODUCTS)}
    write_private(settings.files.seeded, json.dumps(made) + "\n")
    print(f"The shop has {made['products']} products and {made['people']} people.")
    return EXIT_OK
