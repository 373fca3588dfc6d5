import pytest
from pydantic import SecretStr, field_validator

from servicekit.settings import BadSettings, PostgresSettings, RedisSettings, ServiceSettings, load

KEY = "k" * 32
ENOUGH = {"GRPC_PORT": "50052", "HTTP_PORT": "9082", "MESH_KEY": KEY}
DATABASE = "postgresql://orders:hunter2@localhost/orders"


class ShopSettings(ServiceSettings, PostgresSettings, RedisSettings):
    payments_target: str = "127.0.0.1:50053"


class KeyedSettings(ServiceSettings):
    provider_key: SecretStr

    @field_validator("provider_key")
    @classmethod
    def _begins_with_sk(cls, key: SecretStr) -> SecretStr:
        if not key.get_secret_value().startswith("sk_"):
            raise ValueError(f"must begin with sk_, and {key.get_secret_value()} does not")
        return key


def test_each_field_is_read_from_the_variable_named_after_it() -> None:
    environ = {**ENOUGH, "DATABASE_URL": DATABASE, "REDIS_URL": "redis://localhost", "DRAIN_SECONDS": "2.5"}

    settings = load(ShopSettings, {**environ, "MIGRATE": "true", "PAYMENTS_TARGET": "[::1]:1"})

    assert settings.grpc_port == 50052
    assert settings.drain_seconds == 2.5
    assert settings.migrate is True
    assert settings.payments_target == "[::1]:1"
    assert settings.database_url.get_secret_value() == DATABASE


def test_only_what_must_be_told_is_required() -> None:
    settings = load(ServiceSettings, ENOUGH)

    assert settings.grpc_host == "127.0.0.1"
    assert settings.otel_exporter_otlp_endpoint == ""
    assert settings.otel_traces_sampler_arg == 0.1


def test_every_fault_is_reported_at_once_under_the_name_of_its_variable() -> None:
    environ = {"GRPC_PORT": "http", "HTTP_PORT": "70000", "MESH_KEY": "short", "LOG_LEVEL": "LOUD"}

    with pytest.raises(BadSettings) as refused:
        load(ShopSettings, environ)

    assert [line.split(":")[0] for line in refused.value.faults] == [
        "REDIS_URL",
        "DATABASE_URL",
        "GRPC_PORT",
        "HTTP_PORT",
        "MESH_KEY",
        "LOG_LEVEL",
    ]
    assert "REDIS_URL: is required" in refused.value.faults
    assert "MESH_KEY: must have at least 32 bytes" in str(refused.value)


def test_an_empty_variable_counts_as_unset() -> None:
    with pytest.raises(BadSettings) as refused:
        load(ServiceSettings, {**ENOUGH, "MESH_KEY": "", "DRAIN_SECONDS": ""})

    assert refused.value.faults == ("MESH_KEY: is required",)


@pytest.mark.parametrize("endpoint", ["collector:4317", "http://collector:4317", "http://collector:4317/"])
def test_an_endpoint_may_be_a_url_or_a_target(endpoint: str) -> None:
    settings = load(ServiceSettings, {**ENOUGH, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})

    assert settings.otel_exporter_otlp_endpoint == "collector:4317"


@pytest.mark.parametrize(
    "endpoint", ["collector", "https://collector:4317", "http://collector:4317/v1/traces"]
)
def test_an_endpoint_that_could_not_work_is_refused(endpoint: str) -> None:
    with pytest.raises(BadSettings, match="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: must be host:port"):
        load(ServiceSettings, {**ENOUGH, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint})


def test_a_secret_is_in_no_message_even_when_a_validator_quotes_it() -> None:
    with pytest.raises(BadSettings) as refused:
        load(KeyedSettings, {**ENOUGH, "PROVIDER_KEY": "pk_canary"})

    assert refused.value.faults == ("PROVIDER_KEY: must begin with sk_, and ********** does not",)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_a_secret_is_in_no_repr() -> None:
    settings = load(ShopSettings, {**ENOUGH, "DATABASE_URL": DATABASE, "REDIS_URL": "redis://:canary@x"})

    assert KEY not in repr(settings)
    assert "hunter2" not in repr(settings)
    assert "canary" not in repr(settings)


def test_the_environment_of_the_process_is_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRPC_HOST", "0.0.0.0")
    monkeypatch.setenv("MESH_KEY", KEY)

    with pytest.raises(BadSettings) as refused:
        load(ServiceSettings, {"GRPC_PORT": "1", "HTTP_PORT": "2"})

    assert refused.value.faults == ("MESH_KEY: is required",)
    assert load(ServiceSettings, ENOUGH).grpc_host == "127.0.0.1"


def test_settings_cannot_be_changed_after_they_are_read() -> None:
    settings = load(ServiceSettings, ENOUGH)

    with pytest.raises(ValueError, match="frozen"):
        settings.grpc_port = 1  # type: ignore[misc]
