import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from servicekit.clock import ManualClock
from servicekit.context import Caller, Role
from servicekit.keys import KeysUnavailable
from servicekit.tokens import InvalidToken, ServiceTokens, UserTokens

MESH_KEY = b"m" * 32
LIFE = 900


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Signs like auth and publishes its keys."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.private = {"k1": Ed25519PrivateKey.generate()}

    async def source(self) -> Mapping[str, Any]:
        return {"keys": [self.jwk(kid) for kid in self.private]}

    def public(self, kid: str = "k1") -> bytes:
        return self.private[kid].public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def jwk(self, kid: str) -> dict[str, str]:
        return {"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(self.public(kid))}

    def claims(self, **changes: object) -> dict[str, Any]:
        now = int(self.clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": "tillmesh",
            "aud": "tillmesh",
            "sub": "u1",
            "roles": ["cashier"],
            "iat": now,
            "exp": now + LIFE,
        }
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def token(self, kid: str = "k1", **changes: object) -> str:
        return jwt.encode(self.claims(**changes), self.private[kid], "EdDSA", headers={"kid": kid})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def issuer(clock: ManualClock) -> Issuer:
    return Issuer(clock)


@pytest.fixture
def tokens(issuer: Issuer, clock: ManualClock) -> UserTokens:
    return UserTokens(issuer.source, clock)


async def test_a_signed_token_says_who_calls(tokens: UserTokens, issuer: Issuer) -> None:
    caller = await tokens.verify(issuer.token(roles=["cashier", "manager"]))

    assert caller == Caller("u1", frozenset({Role.CASHIER, Role.MANAGER}))


async def test_a_verified_token_is_known_without_waiting(tokens: UserTokens, issuer: Issuer) -> None:
    token = issuer.token()
    before = tokens.cached(token)

    caller = await tokens.verify(token)

    assert before is None
    assert tokens.cached(token) == caller


async def test_a_role_of_a_later_release_is_left_out(tokens: UserTokens, issuer: Issuer) -> None:
    caller = await tokens.verify(issuer.token(roles=["auditor", "customer"]))

    assert caller.roles == {Role.CUSTOMER}


async def test_a_remembered_token_expires(tokens: UserTokens, issuer: Issuer, clock: ManualClock) -> None:
    token = issuer.token()
    await tokens.verify(token)

    clock.advance(LIFE + 11)

    assert tokens.cached(token) is None
    with pytest.raises(InvalidToken) as refused:
        await tokens.verify(token)
    assert refused.value.expired


async def test_a_token_is_good_within_the_leeway(
    tokens: UserTokens, issuer: Issuer, clock: ManualClock
) -> None:
    token = issuer.token()

    clock.advance(LIFE + 9)

    assert (await tokens.verify(token)).subject == "u1"


def unsigned(issuer: Issuer) -> str:
    header = b64(json.dumps({"alg": "none", "kid": "k1"}).encode())
    return f"{header}.{b64(json.dumps(issuer.claims()).encode())}."


def signed_with_the_public_key_as_a_secret(issuer: Issuer) -> str:
    header = b64(json.dumps({"alg": "HS256", "kid": "k1"}).encode())
    body = f"{header}.{b64(json.dumps(issuer.claims()).encode())}"
    return f"{body}.{b64(hmac.digest(issuer.public(), body.encode(), hashlib.sha256))}"


def signed_by_a_stranger(issuer: Issuer) -> str:
    return jwt.encode(issuer.claims(), Ed25519PrivateKey.generate(), "EdDSA", headers={"kid": "k1"})


def with_claims_swapped(issuer: Issuer) -> str:
    header, _, signature = issuer.token().split(".")
    return f"{header}.{b64(json.dumps(issuer.claims(roles=['admin'])).encode())}.{signature}"


ATTACKS: dict[str, Callable[[Issuer], str]] = {
    "alg none": unsigned,
    "HS256 with the public key": signed_with_the_public_key_as_a_secret,
    "a stranger's key": signed_by_a_stranger,
    "swapped claims": with_claims_swapped,
    "forged kid": lambda issuer: jwt.encode(
        issuer.claims(), issuer.private["k1"], "EdDSA", headers={"kid": "k9"}
    ),
    "no kid": lambda issuer: jwt.encode(issuer.claims(), issuer.private["k1"], "EdDSA"),
    "truncated": lambda issuer: issuer.token()[:-10],
    "signature cut off": lambda issuer: issuer.token().rpartition(".")[0],
    "wrong audience": lambda issuer: issuer.token(aud="elsewhere"),
    "audience among others": lambda issuer: issuer.token(aud=["tillmesh", "elsewhere"]),
    "no audience": lambda issuer: issuer.token(aud=None),
    "wrong issuer": lambda issuer: issuer.token(iss="elsewhere"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "no expiry": lambda issuer: issuer.token(exp=None),
    "expiry that is not a number": lambda issuer: issuer.token(exp="never"),
    "expiry that compares with nothing": lambda issuer: issuer.token(exp=float("nan")),
    "no issue time": lambda issuer: issuer.token(iat=None),
    "issued tomorrow": lambda issuer: issuer.token(iat=issuer.claims()["iat"] + 86_400),
    "not before tomorrow": lambda issuer: issuer.token(nbf=issuer.claims()["iat"] + 86_400),
    "nobody": lambda issuer: issuer.token(sub=""),
    "roles as a word": lambda issuer: issuer.token(roles="admin"),
    "longer than metadata allows": lambda issuer: issuer.token(padding="x" * 5_000),
    "not a token": lambda issuer: "once upon a time",
    "nothing": lambda issuer: "",
    "not ASCII": lambda issuer: "é.é.é",
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_forged_token_proves_nothing(attack: str, tokens: UserTokens, issuer: Issuer) -> None:
    token = ATTACKS[attack](issuer)

    with pytest.raises(InvalidToken) as refused:
        await tokens.verify(token)

    assert not refused.value.expired
    assert tokens.cached(token) is None


async def test_tokens_of_a_withdrawn_key_are_forgotten(
    tokens: UserTokens, issuer: Issuer, clock: ManualClock
) -> None:
    token = issuer.token()
    await tokens.verify(token)
    issuer.private = {"k2": Ed25519PrivateKey.generate()}
    clock.advance(300)

    assert tokens.cached(token) is not None
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert tokens.cached(token) is None
    with pytest.raises(InvalidToken):
        await tokens.verify(token)


async def test_the_oldest_verified_token_makes_room(issuer: Issuer, clock: ManualClock) -> None:
    tokens = UserTokens(issuer.source, clock, cache_size=2)
    made = [issuer.token(sub=f"u{n}") for n in range(3)]

    for token in made:
        await tokens.verify(token)

    assert [tokens.cached(token) is None for token in made] == [True, False, False]


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "control-lazy"])
async def test_keys_are_there_before_the_first_token_needs_them(
    issuer: Issuer, clock: ManualClock, keeps: bool
) -> None:
    is_away = False

    async def source() -> Mapping[str, Any]:
        if is_away:
            raise OSError
        return await issuer.source()

    tokens, stop = UserTokens(source, clock), asyncio.Event()
    keeping = asyncio.create_task(tokens.keep_keys(stop)) if keeps else None
    while keeps and not clock.sleepers:
        await asyncio.sleep(0)
    await asyncio.sleep(0)  # the fetch
    is_away = True

    verified = await asyncio.gather(tokens.verify(issuer.token()), return_exceptions=True)

    assert isinstance(verified[0], Caller if keeps else KeysUnavailable)
    if keeping is not None:
        keeping.cancel()


def test_a_service_knows_its_peer(clock: ManualClock) -> None:
    token = ServiceTokens("orders", MESH_KEY, clock).mint("payments")

    caller = ServiceTokens("payments", MESH_KEY, clock).verify(token)

    assert caller == Caller(service="orders")


def test_a_service_token_is_for_one_service(clock: ManualClock) -> None:
    token = ServiceTokens("orders", MESH_KEY, clock).mint("payments")

    with pytest.raises(InvalidToken):
        ServiceTokens("auth", MESH_KEY, clock).verify(token)


def test_a_service_token_of_another_mesh_proves_nothing(clock: ManualClock) -> None:
    token = ServiceTokens("orders", b"x" * 32, clock).mint("payments")

    with pytest.raises(InvalidToken):
        ServiceTokens("payments", MESH_KEY, clock).verify(token)


@pytest.mark.parametrize("token", ["", "a.b.c", "x" * 10_000, "eyJhbGciOiJub25lIn0.e30."])
def test_what_is_no_service_token_proves_nothing(token: str, clock: ManualClock) -> None:
    with pytest.raises(InvalidToken):
        ServiceTokens("payments", MESH_KEY, clock).verify(token)


def test_a_users_token_is_no_service_token(issuer: Issuer, clock: ManualClock) -> None:
    with pytest.raises(InvalidToken):
        ServiceTokens("tillmesh", MESH_KEY, clock).verify(issuer.token())


async def test_a_service_token_is_no_users_token(tokens: UserTokens, clock: ManualClock) -> None:
    with pytest.raises(InvalidToken):
        await tokens.verify(ServiceTokens("tillmesh", MESH_KEY, clock).mint("tillmesh"))


def test_a_service_token_is_minted_again_at_half_its_life(clock: ManualClock) -> None:
    tokens = ServiceTokens("orders", MESH_KEY, clock)
    first = tokens.mint("payments")
    clock.advance(29)
    second = tokens.mint("payments")
    clock.advance(1)
    third = tokens.mint("payments")

    assert second == first
    assert third != first


def test_a_service_token_expires_even_when_it_was_verified(clock: ManualClock) -> None:
    token = ServiceTokens("orders", MESH_KEY, clock).mint("payments")
    payments = ServiceTokens("payments", MESH_KEY, clock)
    payments.verify(token)
    clock.advance(71)

    with pytest.raises(InvalidToken) as refused:
        payments.verify(token)
    assert refused.value.expired


def test_a_short_mesh_key_is_refused(clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        ServiceTokens("orders", b"short", clock)
