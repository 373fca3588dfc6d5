"""Settings of payments: all faults at once, no secret in any."""

import pytest

from servicekit.settings import BadSettings, load
from services.payments.config import PaymentsSettings

GOOD = {
    "GRPC_PORT": "0",
    "HTTP_PORT": "0",
    "MESH_KEY": "m" * 32,
    "DATABASE_URL": "postgresql://payments@localhost/payments",
    "STRIPE_API_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRET": "whsec_1",
    "GIFT_CARD_SECRET": "g" * 32,
}


def test_without_more_it_talks_to_stripe_itself() -> None:
    assert load(PaymentsSettings, GOOD).stripe_api_base == "https://api.stripe.com"


def test_every_fault_is_told_and_no_key_is() -> None:
    bad = {
        **GOOD,
        "STRIPE_API_KEY": "pk_test_public",
        "STRIPE_API_BASE": "localhost:8090/v1",
        "STRIPE_TIMEOUT_SECONDS": "0",
    }

    with pytest.raises(BadSettings) as refused:
        load(PaymentsSettings, bad)

    assert sorted(fault.split(":")[0] for fault in refused.value.faults) == [
        "STRIPE_API_BASE",
        "STRIPE_API_KEY",
        "STRIPE_TIMEOUT_SECONDS",
    ]
    assert "pk_test_public" not in str(refused.value)
