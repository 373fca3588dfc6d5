"""What a request may say. All faults of one request are told at once.

Answers are in canonical form: emails in lower case, and text in NFC, so that the same
letters typed on another keyboard are the same (RFC 8265 asks this of passwords too).
"""

from __future__ import annotations

import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from servicekit.context import Role
from servicekit.errors import FieldViolation, InvalidArgument
from services.auth.config import PASSWORD_BYTES
from services.auth.model import Attempt, UserDraft, UserId, user_id_of

EMAIL_BYTES = 254
"""RFC 5321 section 4.5.3.1.3, less the angle brackets."""
NAME_CHARACTERS = 100
REFRESH_TOKEN_CHARACTERS = 512
KEY_CHARACTERS = 255
PAGE_SIZES = range(1, 1001)
DEFAULT_PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a sign-in attempt claims, in canonical form."""

    email: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user who may be created."""

    email: str = field(repr=False)
    display_name: str = field(repr=False)
    password: str = field(repr=False)
    roles: frozenset[Role]


def new_user(draft: UserDraft) -> NewUser:
    """The user that the draft describes; raises `InvalidArgument`."""
    email = _canonical_email(draft.email)
    password = _canonical(draft.password)
    _refuse(
        "The user cannot be created as described.",
        [
            *_email_faults(email),
            *_name_faults("display_name", draft.display_name),
            *_new_password_faults(password),
            *_role_faults(draft.roles),
        ],
    )
    roles = frozenset(role for role in draft.roles if role is not None)
    return NewUser(email, _canonical(draft.display_name), password, roles)


def credentials(email: str, password: str) -> Credentials:
    """The claim that the two make; raises `InvalidArgument`."""
    email, password = _canonical_email(email), _canonical(password)
    _refuse("The sign-in cannot be tried.", [*_email_faults(email), *_given_password_faults(password)])
    return Credentials(email, password)


def refresh_token(token: str) -> str:
    """The token, if it is one in form; raises `InvalidArgument`."""
    if not 1 <= len(token) <= REFRESH_TOKEN_CHARACTERS:
        description = f"must have 1 to {REFRESH_TOKEN_CHARACTERS} characters"
        _refuse("The refresh token is malformed.", [FieldViolation("refresh_token", description)])
    return token


def granted_role(role: Role | None) -> Role:
    """The role, if it is one; raises `InvalidArgument`."""
    if role is None:
        raise InvalidArgument(
            "The role is unknown.", violations=[FieldViolation("role", "must be a role of the shop")]
        )
    return role


def attempt(given: Attempt) -> Attempt:
    """The attempt, if its name can be kept; raises `InvalidArgument`."""
    if not 1 <= len(given.key) <= KEY_CHARACTERS:
        raise InvalidArgument(f"An Idempotency-Key has 1 to {KEY_CHARACTERS} characters.")
    return given


def till_name(name: str) -> str:
    """The name, if a till can have it; raises `InvalidArgument`."""
    name = _canonical(name)
    _refuse("The till cannot be registered as described.", [*_name_faults("name", name)])
    return name


def page(size: int, token: str) -> tuple[int, UserId | None]:
    """How many users to list and after whom; raises `InvalidArgument`."""
    after = _decoded(token)
    return _page_size(size, has_token_fault=bool(token) and after is None), after


def page_token(after: UserId | None) -> str:
    """The token that `page` reads back; empty for no further page."""
    return "" if after is None else urlsafe_b64encode(UUID(after).bytes).rstrip(b"=").decode()


def till_page(size: int, token: str) -> tuple[int, str | None]:
    """How many tills to list and after which name; raises `InvalidArgument`."""
    after = _decoded_name(token)
    return _page_size(size, has_token_fault=bool(token) and after is None), after


def till_page_token(after: str | None) -> str:
    """The token that `till_page` reads back; empty for no further page."""
    return "" if after is None else urlsafe_b64encode(after.encode()).rstrip(b"=").decode()


def _page_size(size: int, *, has_token_fault: bool) -> int:
    limit = size or DEFAULT_PAGE_SIZE
    faults = []
    if limit not in PAGE_SIZES:
        faults.append(FieldViolation("page_size", f"must be 1 to {PAGE_SIZES[-1]}, or unset"))
    if has_token_fault:
        faults.append(FieldViolation("page_token", "must be the next page token of an earlier answer"))
    _refuse("There is no such page.", faults)
    return limit


def _refuse(message: str, faults: list[FieldViolation]) -> None:
    if faults:
        raise InvalidArgument(message, violations=faults)


def _email_faults(email: str) -> Iterator[FieldViolation]:
    local, at, domain = email.partition("@")
    if not (local and at and domain) or "@" in domain:
        yield FieldViolation("email", 'must be an address with one "@"')
    if len(email.encode()) > EMAIL_BYTES:
        yield FieldViolation("email", f"must have at most {EMAIL_BYTES} bytes")
    if any(character.isspace() or _is_control(character) for character in email):
        yield FieldViolation("email", "must not have spaces or control characters")


def _name_faults(field: str, name: str) -> Iterator[FieldViolation]:
    if not name.strip() or len(name) > NAME_CHARACTERS:
        yield FieldViolation(field, f"must have 1 to {NAME_CHARACTERS} characters, not all spaces")
    if any(map(_is_control, name)):
        yield FieldViolation(field, "must not have control characters")


def _new_password_faults(password: str) -> Iterator[FieldViolation]:
    if len(password.encode()) not in PASSWORD_BYTES:
        yield FieldViolation("password", f"must have {PASSWORD_BYTES[0]} to {PASSWORD_BYTES[-1]} bytes")


def _given_password_faults(password: str) -> Iterator[FieldViolation]:
    if not 1 <= len(password.encode()) <= PASSWORD_BYTES[-1]:
        yield FieldViolation("password", f"must have 1 to {PASSWORD_BYTES[-1]} bytes")


def _role_faults(roles: tuple[Role | None, ...]) -> Iterator[FieldViolation]:
    if not roles:
        yield FieldViolation("roles", "must name at least one role")
    for index, role in enumerate(roles):
        if role is None:
            yield FieldViolation(f"roles[{index}]", "must be a role of the shop")


def _canonical(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _canonical_email(email: str) -> str:
    return _canonical(email).lower()


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc"


def _decoded(token: str) -> UserId | None:
    try:
        return user_id_of(str(UUID(bytes=urlsafe_b64decode(token + "=="))))
    except ValueError:
        return None


def _decoded_name(token: str) -> str | None:
    try:
        return urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode() or None
    except ValueError:
        return None
