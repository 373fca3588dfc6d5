import pytest

from servicekit.redaction import is_sensitive, redacted, scrubbed


@pytest.mark.parametrize("name", ["password", "Authorization", "Set-Cookie", "payment_method", "email"])
def test_names_are_sensitive_however_they_are_written(name: str) -> None:
    assert is_sensitive(name)


@pytest.mark.parametrize("name", ["order_id", "tokens_left", "lease", "rpc"])
def test_other_names_are_not(name: str) -> None:
    assert not is_sensitive(name)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgresql://orders:hunter2@db/orders", "postgresql://[redacted]@db/orders"),
        ("password=hunter2, user=ann", "password=[redacted], user=ann"),
        ("{'token': 'hunter2'}", "{'token': [redacted]"),
        ("authorization: Bearer hunter2hunter2", "authorization: [redacted]"),
        ("got Bearer hunter2hunter2", "got Bearer [redacted]"),
        ("jwt eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln", "jwt [redacted]"),
        ("key sk_test_4eC39HqLyjWDarjtT1zdp7dc", "key [redacted]"),
        ("secret pi_3Mtw_secret_YrKJUKribcBjcG8HVhfZluoGH", "secret [redacted]"),
        ("card 4242-4242-4242-4242 declined", "card [redacted] declined"),
        ("Key (email)=(ann@example.org) exists", "Key (email)=([redacted]) exists"),
    ],
)
def test_what_looks_like_a_secret_is_scrubbed(text: str, clean: str) -> None:
    assert scrubbed(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "order 0192f0c1-7b1c-7d55-8f9e-1d2c3b4a5f60 at 1732384800123456789",
        "3 of 10 rows in 0.25 s",
        "a token expired",
        "cannot connect to 127.0.0.1:5432",
    ],
)
def test_what_does_not_stays_readable(text: str) -> None:
    assert scrubbed(text) == text


def test_long_text_is_scrubbed_in_time_that_grows_with_its_length() -> None:
    assert scrubbed("a" * 200_000).startswith("aaa")


def test_members_are_redacted_by_name_at_any_depth() -> None:
    given = {"order": {"lines": [{"sku": "tea", "email": "ann@example.org"}]}, "password": "hunter2"}

    assert redacted(given) == {
        "order": {"lines": [{"sku": "tea", "email": "[redacted]"}]},
        "password": "[redacted]",
    }


def test_what_is_nested_too_deep_is_redacted_whole() -> None:
    endless: dict[str, object] = {}
    endless["again"] = endless

    assert "[redacted]" in str(redacted(endless))
