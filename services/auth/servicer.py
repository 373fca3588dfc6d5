"""The RPCs of auth: decode, one use case, encode."""

from __future__ import annotations

from typing import Any

import grpc
from tillmesh.auth.v1 import (
    auth_pb2,
    auth_pb2_grpc,
    security_pb2,
    security_pb2_grpc,
    users_pb2,
    users_pb2_grpc,
)
from typing_extensions import override

from servicekit.context import current
from services.auth import wire
from services.auth.usecases.access import Keyring
from services.auth.usecases.directory import Directory
from services.auth.usecases.sign_in import SignIn
from services.auth.usecases.tills import Tills

Context = grpc.aio.ServicerContext[Any, Any]


class AuthServicer(auth_pb2_grpc.AuthServiceServicer):
    """AuthService; see the proto."""

    def __init__(self, sign_in: SignIn, directory: Directory, keyring: Keyring) -> None:
        self._sign_in = sign_in
        self._directory = directory
        self._keyring = keyring

    @override
    async def Login(self, request: auth_pb2.LoginRequest, context: Context) -> auth_pb2.LoginResponse:
        """See the proto."""
        user, tokens = await self._sign_in.login(request.email, request.password)
        return auth_pb2.LoginResponse(tokens=wire.tokens_message(tokens), user=wire.user_message(user))

    @override
    async def Refresh(self, request: auth_pb2.RefreshRequest, context: Context) -> auth_pb2.RefreshResponse:
        """See the proto."""
        tokens = await self._sign_in.refresh(request.refresh_token)
        return auth_pb2.RefreshResponse(tokens=wire.tokens_message(tokens))

    @override
    async def Logout(self, request: auth_pb2.LogoutRequest, context: Context) -> auth_pb2.LogoutResponse:
        """See the proto."""
        await self._sign_in.logout(request.refresh_token)
        return auth_pb2.LogoutResponse()

    @override
    async def GetMe(self, request: auth_pb2.GetMeRequest, context: Context) -> auth_pb2.GetMeResponse:
        """See the proto."""
        user = await self._directory.get(current().caller.subject)
        return auth_pb2.GetMeResponse(user=wire.user_message(user))

    @override
    async def GetJwks(self, request: auth_pb2.GetJwksRequest, context: Context) -> auth_pb2.GetJwksResponse:
        """See the proto."""
        return wire.key_set_message(await self._keyring.published())


class UsersServicer(users_pb2_grpc.UsersServiceServicer):
    """UsersService; see the proto."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    @override
    async def CreateUser(
        self, request: users_pb2.CreateUserRequest, context: Context
    ) -> users_pb2.CreateUserResponse:
        """See the proto."""
        user = await self._directory.create(wire.draft(request), wire.attempt(current()))
        return users_pb2.CreateUserResponse(user=wire.user_message(user))

    @override
    async def ListUsers(
        self, request: users_pb2.ListUsersRequest, context: Context
    ) -> users_pb2.ListUsersResponse:
        """See the proto."""
        return wire.page_message(await self._directory.page(request.page_size, request.page_token))

    @override
    async def GetUser(self, request: users_pb2.GetUserRequest, context: Context) -> users_pb2.GetUserResponse:
        """See the proto."""
        return users_pb2.GetUserResponse(user=wire.user_message(await self._directory.get(request.id)))

    @override
    async def GrantRole(
        self, request: users_pb2.GrantRoleRequest, context: Context
    ) -> users_pb2.GrantRoleResponse:
        """See the proto."""
        user = await self._directory.grant(request.id, wire.role(request.role), wire.attempt(current()))
        return users_pb2.GrantRoleResponse(user=wire.user_message(user))


class TillsServicer(security_pb2_grpc.TillsServiceServicer):
    """TillsService; see the proto."""

    def __init__(self, tills: Tills) -> None:
        self._tills = tills

    @override
    async def CreateTill(
        self, request: security_pb2.CreateTillRequest, context: Context
    ) -> security_pb2.CreateTillResponse:
        """See the proto."""
        till, key = await self._tills.create(request.name, wire.attempt(current()))
        return security_pb2.CreateTillResponse(till=wire.till_message(till), key=key)

    @override
    async def ListTills(
        self, request: security_pb2.ListTillsRequest, context: Context
    ) -> security_pb2.ListTillsResponse:
        """See the proto."""
        return wire.till_page_message(await self._tills.page(request.page_size, request.page_token))

    @override
    async def RotateTillKey(
        self, request: security_pb2.RotateTillKeyRequest, context: Context
    ) -> security_pb2.RotateTillKeyResponse:
        """See the proto."""
        key = await self._tills.rotate_key(request.id, wire.attempt(current()))
        return security_pb2.RotateTillKeyResponse(key=key)

    @override
    async def CheckTill(
        self, request: security_pb2.CheckTillRequest, context: Context
    ) -> security_pb2.CheckTillResponse:
        """See the proto."""
        checked = await self._tills.check(request.id, request.key)
        return security_pb2.CheckTillResponse(
            till=wire.till_message(checked.till), key_holds=checked.key_holds
        )
