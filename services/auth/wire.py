"""Protobuf to this service's own words and back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from tillmesh.auth.v1 import auth_pb2, security_pb2, users_pb2
from tillmesh.options.v1 import options_pb2

from servicekit.context import RequestContext, Role
from services.auth.model import Attempt, PublicKey, Till, TillPage, Tokens, User, UserDraft, UserPage
from services.auth.usecases.validation import page_token, till_page_token

_ROLE_TO_PROTO = {
    Role.CUSTOMER: options_pb2.ROLE_CUSTOMER,
    Role.CASHIER: options_pb2.ROLE_CASHIER,
    Role.MANAGER: options_pb2.ROLE_MANAGER,
    Role.ENGINEER: options_pb2.ROLE_ENGINEER,
    Role.ADMIN: options_pb2.ROLE_ADMIN,
}
_ROLE_FROM_PROTO: dict[int, Role] = {number: role for role, number in _ROLE_TO_PROTO.items()}


def role(number: int) -> Role | None:
    """The role; `None` for one that is not stated or that this release does not know."""
    return _ROLE_FROM_PROTO.get(number)


def draft(request: users_pb2.CreateUserRequest) -> UserDraft:
    """The user that is asked for."""
    return UserDraft(request.email, request.display_name, request.password, tuple(map(role, request.roles)))


def attempt(request: RequestContext) -> Attempt:
    """How the caller names what it tries."""
    return Attempt(request.caller.subject, request.idempotency_key)


def user_message(user: User) -> users_pb2.User:
    """The user as others may see them."""
    return users_pb2.User(
        id=user.id,
        email=user.email,
        display_name=user.display_name,
        roles=[_ROLE_TO_PROTO[role] for role in user.ordered_roles()],
        create_time=_timestamp(user.created_at),
    )


def page_message(page: UserPage) -> users_pb2.ListUsersResponse:
    """One page of users."""
    return users_pb2.ListUsersResponse(
        users=map(user_message, page.users), next_page_token=page_token(page.next_after)
    )


def till_message(till: Till) -> security_pb2.Till:
    """The till as others may see it."""
    return security_pb2.Till(id=till.id, name=till.name, create_time=_timestamp(till.created_at))


def till_page_message(page: TillPage) -> security_pb2.ListTillsResponse:
    """One page of tills."""
    return security_pb2.ListTillsResponse(
        tills=map(till_message, page.tills), next_page_token=till_page_token(page.next_after)
    )


def tokens_message(tokens: Tokens) -> auth_pb2.Tokens:
    """The tokens of a session."""
    return auth_pb2.Tokens(
        access_token=tokens.access_token,
        token_type="Bearer",  # noqa: S106 - the name of a scheme (RFC 6750)
        expires_in=int(tokens.life.total_seconds()),
        refresh_token=tokens.refresh_token,
    )


def key_set_message(keys: Iterable[PublicKey]) -> auth_pb2.GetJwksResponse:
    """The key set."""
    return auth_pb2.GetJwksResponse(keys=[auth_pb2.Jwk(**key.jwk()) for key in keys])


def _timestamp(instant: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(instant)
    return message
