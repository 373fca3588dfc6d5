"""`tillmesh try`: is an order paid?"""

from __future__ import annotations

import argparse
import json
from contextlib import closing

from launcher.api import Api
from launcher.credentials import Credentials
from launcher.errors import EXIT_FAILED, EXIT_OK
from launcher.records import gateway_address
from launcher.settings import Settings
from launcher.trial import place_order


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Place one order as the cashier, and print what became of it."""
    cashier = Credentials.read(settings.files.credentials).people["cashier"]
    with closing(Api(gateway_address(settings.files.processes))) as api:
        trial = place_order(api, cashier)
    print(json.dumps(trial.as_json()) if options.json else trial.as_text())
    return EXIT_OK if trial.is_paid else EXIT_FAILED
