"""What auth signs, as the rest of the mesh reads it: with the published keys and nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from servicekit.clock import ManualClock
from servicekit.context import Caller, Role
from servicekit.tokens import InvalidToken, UserTokens
from services.auth.model import PublicKey, User
from services.auth.usecases.access import Keyring
from tests.services.auth.fakes import Auth

EMAIL, PASSWORD = "alice@example.com", "correct horse battery"


@pytest.fixture
def reader(auth: Auth) -> UserTokens:
    async def published() -> Mapping[str, Any]:
        return {"keys": [key.jwk() for key in await auth.keyring.published()]}

    return UserTokens(published, auth.clock)


@pytest.fixture
async def token(auth: Auth, alice: User) -> str:
    return (await auth.sign_in.login(EMAIL, PASSWORD))[1].access_token


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def test_every_service_recognises_who_signed_in(reader: UserTokens, token: str, alice: User) -> None:
    assert await reader.verify(token) == Caller(alice.id, frozenset({Role.CASHIER}))


async def test_a_token_says_only_what_is_needed(token: str, alice: User) -> None:
    claims = jwt.decode(token, options={"verify_signature": False})

    assert claims.keys() == {"iss", "aud", "sub", "roles", "iat", "exp", "jti"}
    assert claims["exp"] - claims["iat"] == 900


async def test_a_token_expires(reader: UserTokens, token: str, clock: ManualClock) -> None:
    clock.advance(911)

    with pytest.raises(InvalidToken) as refused:
        await reader.verify(token)
    assert refused.value.expired


def resigned(token: str, key: Ed25519PrivateKey, kid: str, **changes: object) -> str:
    claims = jwt.decode(token, options={"verify_signature": False}) | changes
    return jwt.encode(claims, key, "EdDSA", headers={"kid": kid})


def with_header(token: str, public: PublicKey, algorithm: str) -> str:
    header = b64(json.dumps({"alg": algorithm, "kid": public.id}).encode())
    body = f"{header}.{token.split('.')[1]}"
    digest = hmac.digest(public.raw, body.encode(), hashlib.sha256)
    return f"{body}.{b64(digest) if algorithm == 'HS256' else ''}"


FORGERIES: dict[str, Callable[[str, PublicKey, Ed25519PrivateKey], str]] = {
    "alg none": lambda token, public, _: with_header(token, public, "none"),
    "HS256 with the public key": lambda token, public, _: with_header(token, public, "HS256"),
    "another key under our kid": lambda token, public, _: resigned(
        token, Ed25519PrivateKey.generate(), public.id
    ),
    "our key under a forged kid": lambda token, _, key: resigned(token, key, "forged"),
    "wrong audience": lambda token, public, key: resigned(token, key, public.id, aud="bank"),
    "truncated": lambda token, *_: token[:-7],
    "promoted": lambda token, *_: promoted(token),
}


def promoted(token: str) -> str:
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "==")) | {"roles": ["admin"]}
    return f"{header}.{b64(json.dumps(claims).encode())}.{signature}"


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forged_token_is_recognised(forgery: str, reader: UserTokens, token: str, auth: Auth) -> None:
    key = await auth.keyring.newest()
    private = Ed25519PrivateKey.from_private_bytes(key.private)

    with pytest.raises(InvalidToken):
        await reader.verify(FORGERIES[forgery](token, key.public, private))


async def test_replicas_agree_on_one_key(auth: Auth) -> None:
    other = Keyring(auth.store, auth.clock)

    assert await auth.keyring.published() == await other.published()


def test_a_key_id_is_the_thumbprint_of_rfc_8037() -> None:
    """RFC 8037, appendix A.3."""
    raw = base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")

    assert PublicKey(raw).id == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert PublicKey(raw).jwk()["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
