"""What a person is told once the mesh is up: an order to paste, and once the passwords."""

from __future__ import annotations

import shlex
from pathlib import Path

from launcher.credentials import Credentials
from launcher.trial import CARD

_SKU = "COFFEE-500"

_ORDER = """\
BASE=http://{address}
PASSWORD=$(sed -n 's/.*"cashier".*"password": "\\([^"]*\\)".*/\\1/p' {credentials})
TOKEN=$(curl -sS "$BASE/v1/auth/login" -H 'Content-Type: application/json' \\
  -d '{{"email": "{email}", "password": "'"$PASSWORD"'"}}' |
  sed -n 's/.*"accessToken": *"\\([^"]*\\)".*/\\1/p')
curl -sS "$BASE/v1/orders" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
  -H "Idempotency-Key: $(date +%s)-$$" \\
  -d '{{"lines": [{{"sku": "{sku}", "quantity": 1}}],
       "tenders": [{{"card": {{"paymentMethod": "{card}"}}}}]}}'; echo"""


def order_script(address: str, credentials: Credentials) -> str:
    """Lines of plain sh that sign the cashier in and place an order; they need curl and sed."""
    return _ORDER.format(
        address=address,
        credentials=shlex.quote(str(credentials.path)),
        email=credentials.people["cashier"].email,
        sku=_SKU,
        card=CARD,
    )


def welcome(address: str, credentials: Credentials, logs: Path) -> str:
    """The whole text. Passwords are in it until they have been shown, which this counts as."""
    parts = [f"Tillmesh is up: http://{address}  (logs: {logs})"]
    if not credentials.shown:
        parts.append(_passwords(credentials))
        credentials.mark_shown()
    parts.append(f"Place an order, here or in any terminal:\n\n{order_script(address, credentials)}")
    parts.append("Or: tillmesh try, tillmesh status, tillmesh logs orders, tillmesh down")
    return "\n\n".join(parts)


def _passwords(credentials: Credentials) -> str:
    rows = [f"  {person.email:<24}{person.password}" for person in credentials.people.values()]
    told = f"Sign in with these; they are shown this once, and kept in {credentials.path}:"
    return "\n".join([told, *rows])
