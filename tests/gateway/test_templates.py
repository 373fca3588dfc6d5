"""The grammar of path templates, by the text of google/api/http.proto."""

import pytest

from gateway.templates import BadPath, BadTemplate, Template, Wildcard, decoded, parse

ONE, REST = Wildcard.ONE, Wildcard.REST


@pytest.mark.parametrize(
    ("text", "segments", "verb"),
    [
        ("/v1/messages/{message_id}", ("v1", "messages", ONE), ""),
        ("/v1/{name=messages/*}", ("v1", "messages", ONE), ""),
        ("/v1/{name=messages/**}", ("v1", "messages", REST), ""),
        ("/v1/messages/{message_id}/{sub.subfield}", ("v1", "messages", ONE, ONE), ""),
        ("/v1/users/{user_id}/messages/{message_id}", ("v1", "users", ONE, "messages", ONE), ""),
        ("/*", (ONE,), ""),
        ("/**", (REST,), ""),
        ("/v1/orders/{id}:cancel", ("v1", "orders", ONE), "cancel"),
        ("/v1/mesh:watch", ("v1", "mesh"), "watch"),
        ("/v1/{name=**}:undelete", ("v1", REST), "undelete"),
        ("/.well-known/jwks.json", (".well-known", "jwks.json"), ""),
        ("/a%20b/{x}", ("a b", ONE), ""),
    ],
)
def test_a_template_of_the_grammar_is_read(
    text: str, segments: tuple[str | Wildcard, ...], verb: str
) -> None:
    template = parse(text)

    assert (template.segments, template.verb) == (segments, verb)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("v1", 1),
        ("/", 2),
        ("/v1/", 5),
        ("/v1//x", 5),
        ("/v1/**/x", 7),
        ("/{a=**}/x", 8),
        ("/{a={b}}", 5),
        ("/{a}/{a}", 7),
        ("/v1/{a", 7),
        ("/v1/{}", 6),
        ("/v1/{a.}", 8),
        ("/v1/{a=}", 8),
        ("/v1/{1a}", 6),
        ("/a:", 4),
        ("/a:b:c", 5),
        ("/a:b/c", 5),
        ("/a b", 3),
        ("/a?b", 3),
        ("/%zz", 2),
        ("/a*", 3),
        ("/***", 4),
        ("/{a=b:c}", 6),
    ],
)
def test_what_is_not_of_the_grammar_is_refused_at_its_column(text: str, column: int) -> None:
    with pytest.raises(BadTemplate, match=f"column {column} ") as refused:
        parse(text)

    assert refused.value.column == column


@pytest.mark.parametrize(
    ("template", "path", "captured"),
    [
        ("/v1/{id}", "v1/a%2Fb", "a/b"),
        ("/v1/{id=*}", "v1/a%2fb", "a/b"),
        ("/v1/{id}", "v1/a+b", "a+b"),
        ("/v1/{id}", "v1/%C3%A9", "é"),
        ("/v1/{name=shelves/*}", "v1/shelves/a%2Fb", "shelves/a%2Fb"),
        ("/v1/{name=shelves/*}", "v1/shelves/a%20b", "shelves/a b"),
        ("/v1/{name=**}", "v1/a/b%2fc/d%3Ae", "a/b%2fc/d:e"),
        ("/v1/{name=**}", "v1", ""),
    ],
)
def test_a_variable_captures_its_segments_decoded(template: str, path: str, captured: str) -> None:
    variable = parse(template).variables[0]

    assert variable.capture(path.split("/")) == captured


@pytest.mark.parametrize("segment", ["%", "%4", "a%zzb", "%ff", "%c3"])
def test_a_segment_that_is_no_text_is_refused(segment: str) -> None:
    with pytest.raises(BadPath):
        decoded(segment)


def test_a_variable_knows_its_column() -> None:
    template: Template = parse("/v1/{a.b}/{c}")

    assert [(variable.field_path, variable.column) for variable in template.variables] == [
        (("a", "b"), 5),
        (("c",), 11),
    ]
