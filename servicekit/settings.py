"""What a service may be told from outside, and how it is told that it was told wrong.

One class of fields per process. Each field is one environment variable: its name
in capitals, no prefix; an empty variable counts as unset. `load` reads them from a
mapping it is given, so nothing here touches the real environment, and it reports
every fault at once. A secret's value appears in no message and no `repr`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

Port: TypeAlias = Annotated[int, Field(ge=0, le=65535)]
PoolSize: TypeAlias = Annotated[int, Field(ge=1, le=1000)]
Seconds: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _plain_target(endpoint: str) -> str:
    """OpenTelemetry writes endpoints as URLs, gRPC as `host:port`; TLS ends outside of the mesh."""
    target = endpoint.removeprefix("http://").rstrip("/")
    if target and not re.fullmatch(r"[\w.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", target):
        raise ValueError("must be host:port or http://host:port")
    return target


Endpoint: TypeAlias = Annotated[str, AfterValidator(_plain_target)]

MESH_KEY_BYTES = 32
"""The least an HMAC-SHA-256 key should have: the size of its hash (RFC 2104, section 3)."""


class BadSettings(Exception):
    """The environment does not describe a service that can run.

    `faults` has one line for each fault: the variable, and what is wrong with it.
    """

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class ServiceSettings(BaseSettings):
    """What every service is told. Values come from the constructor only, never from the environment."""

    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True)

    grpc_host: str = "127.0.0.1"
    """Address the gRPC server binds: loopback unless told otherwise."""

    grpc_port: Port
    """Port of the gRPC server; 0 lets the system choose."""

    http_host: str = "127.0.0.1"
    """Address the HTTP server binds."""

    http_port: Port
    """Port that serves `/metrics`; 0 lets the system choose."""

    mesh_key: SecretStr
    """Shared by all services, at least 32 bytes: signs the tokens by which they know each other."""

    auth_target: str = "127.0.0.1:50051"
    """Where the auth service answers: its keys verify the tokens of users."""

    otel_exporter_otlp_endpoint: Endpoint = ""
    """`host:port` or `http://host:port` metrics are pushed to by OTLP over gRPC; empty pushes nothing."""

    otel_exporter_otlp_traces_endpoint: Endpoint = ""
    """`host:port` or `http://host:port` that spans are sent to by OTLP over gRPC; empty sends nothing."""

    otel_traces_sampler_arg: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of the traces begun here that are recorded, 0 to 1. Traces begun elsewhere keep theirs."""

    sentry_dsn: SecretStr = SecretStr("")
    """Where errors are reported; empty reports nothing."""

    environment: str = "development"
    """Name of the deployment, as error reports and traces carry it."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least level that is written."""

    drain_seconds: Seconds = 20
    """How long calls that are running may take to end once the process is told to stop."""

    migrate: bool = False
    """Whether to bring the database to the newest schema before serving."""

    @field_validator("mesh_key")
    @classmethod
    def _is_long_enough(cls, key: SecretStr) -> SecretStr:
        if len(key.get_secret_value().encode()) < MESH_KEY_BYTES:
            raise ValueError(f"must have at least {MESH_KEY_BYTES} bytes")
        return key

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what the constructor is given and nothing else: no environment, no files."""
        return (init_settings,)


class PostgresSettings(BaseModel):
    """Mixed into the settings of a service that keeps a database."""

    database_url: SecretStr
    """`postgresql://user:password@host:port/database`, or with `?host=/folder` for a Unix socket."""

    database_pool_size: PoolSize = 10
    """Most connections this process opens."""

    database_command_timeout_seconds: Seconds = 2
    """Bound on one statement; without it a frozen server holds a call for ever."""


class RedisSettings(BaseModel):
    """Mixed into the settings of a service that shares state through Redis."""

    redis_url: SecretStr
    """`redis://host:port/0` or `unix:///path/to/socket`."""

    redis_pool_size: PoolSize = 10
    """Most connections this process opens; further callers wait for one."""


S = TypeVar("S", bound=ServiceSettings)


def load(kind: type[S], environ: Mapping[str, str]) -> S:
    """The settings that `environ` describes, or `BadSettings` with every fault in it."""
    given: dict[str, Any] = {
        name: environ[name.upper()] for name in kind.model_fields if environ.get(name.upper())
    }
    try:
        return kind(**given)
    except ValidationError as error:
        secrets = [given[name] for name in given if _is_secret(kind.model_fields[name].annotation)]
        raise BadSettings(_faults(error, secrets)) from None


def _is_secret(annotation: Any) -> bool:  # noqa: ANN401 - whatever a field may be annotated with
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


def _faults(error: ValidationError, secrets: list[str]) -> Iterable[str]:
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        variable = str(fault["loc"][0]).upper() if fault["loc"] else "settings"
        yield f"{variable}: {_masked(_wording(fault['type'], fault['msg']), secrets)}"


def _wording(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required"
    return message.removeprefix("Value error, ")


def _masked(message: str, secrets: list[str]) -> str:
    for secret in secrets:
        message = message.replace(secret, "**********")
    return message
