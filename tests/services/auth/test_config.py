from __future__ import annotations

import pytest

from servicekit.settings import BadSettings, load
from services.auth.config import AuthSettings

WHOLE = {
    "GRPC_PORT": "0",
    "HTTP_PORT": "0",
    "MESH_KEY": "m" * 32,
    "SIGNING_KEY_SECRET": "s" * 32,
    "DATABASE_URL": "postgresql://auth@localhost/auth",
    "REDIS_URL": "redis://localhost/0",
}


def test_settings_need_no_first_admin() -> None:
    assert load(AuthSettings, WHOLE).bootstrap_admin_email == ""


def test_a_first_admin_has_an_email_and_a_password() -> None:
    admin = {"BOOTSTRAP_ADMIN_EMAIL": "a@example.com", "BOOTSTRAP_ADMIN_PASSWORD": "a long enough password"}

    assert load(AuthSettings, WHOLE | admin).bootstrap_admin_email == "a@example.com"


def test_half_a_first_admin_is_a_fault() -> None:
    with pytest.raises(BadSettings, match="set both or none"):
        load(AuthSettings, WHOLE | {"BOOTSTRAP_ADMIN_EMAIL": "a@example.com"})


def test_all_faults_are_told_at_once_and_no_secret_is() -> None:
    wrong = WHOLE | {
        "SIGNING_KEY_SECRET": "hunter2",
        "BOOTSTRAP_ADMIN_EMAIL": "nobody",
        "BOOTSTRAP_ADMIN_PASSWORD": "tooshort",
        "PASSWORD_HASH_THREADS": "0",
    }

    with pytest.raises(BadSettings) as refused:
        load(AuthSettings, wrong)

    told = "\n".join(refused.value.faults)
    assert {fault.partition(":")[0] for fault in refused.value.faults} == wrong.keys() - WHOLE.keys() | {
        "SIGNING_KEY_SECRET"
    }
    assert "hunter2" not in told
    assert "tooshort" not in told
