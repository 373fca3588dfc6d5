"""Seals private keys, so that a copy of the database alone cannot sign tokens.

It protects dumps, backups and replicas, and whoever may only read tables. It does not
protect from somebody who reads this process's environment or memory, or who can write
to the database and watch for their own key being used.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.auth.errors import SigningKeySealed

KEY_BYTES = 32
NONCE_BYTES = 12
"""Random for each seal: few keys are ever sealed, so none repeats (NIST SP 800-38D section 8.2.2)."""


def derived_key(secret: str, purpose: str) -> bytes:
    """A 256-bit key for one purpose (HKDF, RFC 5869), which tells nothing of those for others."""
    derivation = HKDF(
        algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"tillmesh auth {purpose}".encode()
    )
    return derivation.derive(secret.encode())


class Sealer:
    """Encrypts and authenticates with AES-256-GCM."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, content: bytes, name: str) -> bytes:
        """The sealed content, which opens under this name only."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, name.encode())

    def open(self, sealed: bytes, name: str) -> bytes:
        """What was sealed; raises `SigningKeySealed` for another key, another name or a changed byte."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name.encode())
        except InvalidTag:
            raise SigningKeySealed("The signing key does not open with this SIGNING_KEY_SECRET.") from None
