"""Which template a method and a path lead to."""

import pytest

from gateway.matching import ANY_METHOD, MethodUnknown, Paths, PathUnknown, Shadowed
from gateway.templates import BadPath, parse

ROUTES = [
    ("GET", "/v1/orders"),
    ("POST", "/v1/orders"),
    ("GET", "/v1/orders/{id}"),
    ("POST", "/v1/orders/{id}:cancel"),
    ("GET", "/v1/orders/{id}:watch"),
    ("POST", "/v1/orders/special"),
    ("GET", "/v1/orders/{id}/lines"),
    ("GET", "/v1/mesh"),
    ("GET", "/v1/mesh:watch"),
    ("GET", "/v1/{name=**}"),
    ("GET", "/v1/{name=**}:go"),
    ("DELETE", "/v1/*/x"),
    (ANY_METHOD, "/any"),
]


@pytest.fixture
def paths() -> Paths[str]:
    made: Paths[str] = Paths()
    for method, text in ROUTES:
        made.add(method, parse(text), f"{method} {text}")
    return made


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("GET", "/v1/orders", "GET /v1/orders"),
        ("POST", "/v1/orders", "POST /v1/orders"),
        ("GET", "/v1/orders/7", "GET /v1/orders/{id}"),
        ("GET", "/v1/%6Frders/7", "GET /v1/orders/{id}"),
        ("GET", "/v1/orders/a%2Fb", "GET /v1/orders/{id}"),
        ("POST", "/v1/orders/7:cancel", "POST /v1/orders/{id}:cancel"),
        ("POST", "/v1/orders/7:canc%65l", "POST /v1/orders/{id}:cancel"),
        ("GET", "/v1/orders/7%3Acancel", "GET /v1/orders/{id}"),
        ("GET", "/v1/orders/a:b", "GET /v1/orders/{id}"),
        ("GET", "/v1/orders/a:b:watch", "GET /v1/orders/{id}:watch"),
        ("GET", "/v1/orders/7/lines", "GET /v1/orders/{id}/lines"),
        ("GET", "/v1/orders/7/else", "GET /v1/{name=**}"),
        ("GET", "/v1/orders/7/8:go", "GET /v1/{name=**}:go"),
        ("GET", "/v1", "GET /v1/{name=**}"),
        ("GET", "/v1/", "GET /v1/{name=**}"),
        ("GET", "/v1/mesh:watch", "GET /v1/mesh:watch"),
        ("DELETE", "/v1/orders/x", "DELETE /v1/*/x"),
        ("PATCH", "/any", "* /any"),
    ],
)
def test_the_most_specific_template_wins(paths: Paths[str], method: str, path: str, target: str) -> None:
    assert paths.find(method, path).target == target


def test_a_literal_does_not_hide_the_methods_of_a_wildcard(paths: Paths[str]) -> None:
    assert paths.find("GET", "/v1/orders/special").target == "GET /v1/orders/{id}"


def test_a_known_verb_with_a_wrong_method_is_a_wrong_method(paths: Paths[str]) -> None:
    with pytest.raises(MethodUnknown) as refused:
        paths.find("GET", "/v1/orders/7:cancel")

    assert refused.value.allowed == ("POST",)


def test_a_wrong_method_is_told_every_right_one(paths: Paths[str]) -> None:
    with pytest.raises(MethodUnknown) as refused:
        paths.find("PUT", "/v1/orders/special")

    assert refused.value.allowed == ("GET", "POST")


@pytest.mark.parametrize("path", ["/", "/v2", "/v2/orders", "/any/", "/any:verb"])
def test_what_no_template_matches_is_unknown(paths: Paths[str], path: str) -> None:
    with pytest.raises(PathUnknown):
        paths.find("GET", path)


@pytest.mark.parametrize("path", ["", "orders", "*", "/v1/%ff"])
def test_what_is_no_path_is_refused(paths: Paths[str], path: str) -> None:
    with pytest.raises(BadPath):
        paths.find("GET", path)


def test_an_empty_segment_is_no_value() -> None:
    paths: Paths[str] = Paths()
    paths.add("GET", parse("/v1/{id}"), "one")

    with pytest.raises(PathUnknown):
        paths.find("GET", "/v1/")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/v1/{a}", "/v1/{b}"),
        ("/v1/{a=**}", "/v1/**"),
        ("/v1/{name=shelves/*}", "/v1/shelves/{id}"),
        ("/v1/{a}:go", "/v1/*:go"),
        ("/a", "/%61"),
    ],
)
def test_a_template_of_the_same_shape_is_shadowed(first: str, second: str) -> None:
    paths: Paths[str] = Paths()
    paths.add("GET", parse(first), "first")

    with pytest.raises(Shadowed, match="is shadowed by"):
        paths.add("GET", parse(second), "second")
