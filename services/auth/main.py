"""The parts of auth, and how they fit."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from tillmesh.auth.v1.auth_pb2_grpc import add_AuthServiceServicer_to_server
from tillmesh.auth.v1.security_pb2_grpc import (
    SecurityServiceServicer,
    add_SecurityServiceServicer_to_server,
    add_TillsServiceServicer_to_server,
)
from tillmesh.auth.v1.users_pb2_grpc import add_UsersServiceServicer_to_server

from servicekit.context import Role
from servicekit.kit import Kit
from servicekit.serve import serve
from servicekit.tokens import AUDIENCE, ISSUER
from services.auth.checks import preparation_check
from services.auth.config import AuthSettings
from services.auth.metrics import AuthMetrics
from services.auth.model import UserDraft
from services.auth.servicer import AuthServicer, TillsServicer, UsersServicer
from services.auth.store.postgres import PostgresStore
from services.auth.store.redis import RedisThrottle
from services.auth.store.sealing import Sealer, derived_key
from services.auth.usecases.access import AccessTokens, Keyring
from services.auth.usecases.directory import Directory, keyed_fingerprint
from services.auth.usecases.passwords import Argon2Passwords
from services.auth.usecases.preparation import Preparation, Retention
from services.auth.usecases.sign_in import SignIn
from services.auth.usecases.tills import TillKeys, Tills
from services.auth.workers import Chores


def main(environ: Mapping[str, str]) -> int:
    """Run auth until it is told to stop; its exit code."""
    return serve("auth", AuthSettings, build, environ)


async def build(kit: Kit[AuthSettings]) -> None:
    """Put auth together."""
    secret = kit.settings.signing_key_secret.get_secret_value()
    signals = AuthMetrics(kit.instruments)
    store = PostgresStore(kit.postgres(), Sealer(derived_key(secret, "signing keys")))
    passwords = Argon2Passwords(kit.settings.password_hash_threads, _make_secret, kit.clock, signals)
    kit.lifetime.callback(passwords.close)
    keyring = Keyring(store, kit.clock)
    sign_in = SignIn(
        store=store,
        passwords=passwords,
        throttle=RedisThrottle(kit.redis()),
        access=AccessTokens(keyring, kit.clock, kit.make_id, issuer=ISSUER, audience=AUDIENCE),
        signals=signals,
        clock=kit.clock,
        make_id=kit.make_id,
        make_secret=_make_secret,
    )
    fingerprint = keyed_fingerprint(derived_key(secret, "request fingerprints"))
    directory = Directory(
        store=store,
        passwords=passwords,
        signals=signals,
        clock=kit.clock,
        make_id=kit.make_id,
        fingerprint=fingerprint,
    )
    till_keys = TillKeys(derived_key(secret, "till keys"))
    tills = Tills(store, till_keys, kit.clock, kit.make_id, fingerprint)
    preparation = Preparation(store, keyring, directory, _first_admin(kit.settings))

    async def own_keys() -> Mapping[str, Any]:
        return {"keys": [key.jwk() for key in await keyring.published()]}

    kit.keys(own_keys)
    kit.check(preparation_check(preparation))
    kit.work("chores", Chores(preparation, Retention(store, kit.clock)).run)
    kit.add(add_AuthServiceServicer_to_server, AuthServicer(sign_in, directory, keyring))
    kit.add(add_UsersServiceServicer_to_server, UsersServicer(directory))
    kit.add(add_SecurityServiceServicer_to_server, SecurityServiceServicer())
    kit.add(add_TillsServiceServicer_to_server, TillsServicer(tills))


def _make_secret() -> str:
    return secrets.token_urlsafe(32)


def _first_admin(settings: AuthSettings) -> UserDraft | None:
    if not settings.bootstrap_admin_email:
        return None
    password = settings.bootstrap_admin_password.get_secret_value()
    return UserDraft(settings.bootstrap_admin_email, "Administrator", password, (Role.ADMIN,))
