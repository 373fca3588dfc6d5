from __future__ import annotations

import pytest

from services.auth.errors import SigningKeySealed
from services.auth.store.sealing import Sealer, derived_key


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(derived_key("secret", "signing keys"))


def test_what_was_sealed_opens(sealer: Sealer) -> None:
    assert sealer.open(sealer.seal(b"private", "k1"), "k1") == b"private"


def test_sealing_twice_looks_different(sealer: Sealer) -> None:
    assert sealer.seal(b"private", "k1") != sealer.seal(b"private", "k1")


def test_another_secret_opens_nothing(sealer: Sealer) -> None:
    other = Sealer(derived_key("other secret", "signing keys"))

    with pytest.raises(SigningKeySealed):
        other.open(sealer.seal(b"private", "k1"), "k1")


def test_a_sealed_key_opens_under_its_own_name_only(sealer: Sealer) -> None:
    with pytest.raises(SigningKeySealed):
        sealer.open(sealer.seal(b"private", "k1"), "k2")


def test_a_changed_byte_is_noticed(sealer: Sealer) -> None:
    sealed = bytearray(sealer.seal(b"private", "k1"))
    sealed[-1] ^= 1

    with pytest.raises(SigningKeySealed):
        sealer.open(bytes(sealed), "k1")


def test_each_purpose_has_its_own_key() -> None:
    assert derived_key("secret", "signing keys") != derived_key("secret", "request fingerprints")
