"""From path, query and body to the message of a call."""

from typing import Any

import pytest

from gateway.binding import bind
from gateway.problems import BadRequest, MalformedBody
from tests.gateway.shelf import (
    TABLE,
    Book,
    CreateBookRequest,
    GetBookRequest,
    MoveBookRequest,
    SearchRequest,
    SetTagsRequest,
    UploadCoverRequest,
)


def bound(method: str, url: str, body: bytes = b"", content_type: str = "application/json") -> Any:
    path, _, query = url.partition("?")
    match = TABLE.find(method, path)
    return bind(match.target, match.segments, query, body, content_type)


def refused(method: str, url: str, body: bytes = b"") -> list[tuple[str, str, str]]:
    """The place, pointer and detail of every fault."""
    with pytest.raises(BadRequest) as refusal:
        bound(method, url, body)
    return [(fault.place.value, fault.pointer, fault.detail) for fault in refusal.value.faults]


@pytest.mark.parametrize(
    ("url", "request_message"),
    [
        ("/v1/shelves/a/books/b", GetBookRequest(shelf="a", book=Book(id="b"))),
        ("/v1/shelves/a%2Fb/books/%C3%A9+", GetBookRequest(shelf="a/b", book=Book(id="é+"))),
        ("/v1/shelves/a/papers/b%2Fc", GetBookRequest(name="shelves/a/papers/b%2Fc")),
        ("/v1/files/a/b/c%20d", GetBookRequest(name="a/b/c d")),
        ("/v1/files", GetBookRequest(name="")),
        (
            "/v1/shelves/a/books/b?name=n&book.pages=7",
            GetBookRequest(shelf="a", name="n", book=Book(id="b", pages=7)),
        ),
    ],
)
def test_the_path_names_fields(url: str, request_message: Any) -> None:
    assert bound("GET", url) == request_message


@pytest.mark.parametrize(
    ("query", "request_message"),
    [
        ("pageSize=5", SearchRequest(page_size=5)),
        ("page_size=5", SearchRequest(page_size=5)),
        ("page%53ize=%35", SearchRequest(page_size=5)),
        ("&&pageSize=5&", SearchRequest(page_size=5)),
        ("genres=GENRE_POEM&genres=1", SearchRequest(genres=[2, 1])),
        ("like.titleText=a+b%20c", SearchRequest(like=Book(title_text="a+b c"))),
        ("like.title_text=a&like.lent=true", SearchRequest(like=Book(title_text="a", lent=True))),
        ("like.sequel.sequel.id=x", SearchRequest(like=Book(sequel=Book(sequel=Book(id="x"))))),
        ("like.authors=a&like.authors=b", SearchRequest(like=Book(authors=["a", "b"]))),
        ("like.note=", SearchRequest(like=Book(note=""))),
        ("like.note", SearchRequest(like=Book(note=""))),
        ("like.cover=_-8", SearchRequest(like=Book(cover=b"\xff\xef"))),
        ("like.weight=1.5e3", SearchRequest(like=Book(weight=1500))),
        ("labels[a]=1&labels[b.c%5D]=2", SearchRequest(labels={"a": "1", "b.c]": "2"})),
        ("like.ratings[x]=7", SearchRequest(like=Book(ratings={"x": 7}))),
    ],
)
def test_the_query_names_the_other_fields(query: str, request_message: Any) -> None:
    assert bound("GET", f"/v1/books:search?{query}") == request_message


def test_well_known_types_have_their_json_text_in_a_query() -> None:
    like = (
        "like.printed=2026-01-31T12:00:00Z&like.readTime=1.5s&like.price=7&like.mask=titleText&like.aliases=a"
    )

    request = bound("GET", f"/v1/books:search?{like}&days=2026-01-31T12:00:00Z")

    assert request.like.printed.ToJsonString() == "2026-01-31T12:00:00Z"
    assert request.like.read_time.ToJsonString() == "1.500s"
    assert request.like.price.value == 7
    assert list(request.like.mask.paths) == ["title_text"]
    assert request.like.aliases[0].value == "a"
    assert len(request.days) == 1


@pytest.mark.parametrize(
    ("query", "pointer", "detail"),
    [
        ("pagesize=5", "/pagesize", "is not a known parameter"),
        ("=5", "/", "is not a known parameter"),
        ("like.nobody=5", "/like/nobody", "is not a known parameter"),
        ("pageSize.x=5", "/pageSize/x", "is not a known parameter"),
        ("books.id=5", "/books/id", "is not a known parameter"),
        (
            "like.printed.seconds=5",
            "/like/printed/seconds",
            "is not a known parameter: what it is part of is given as one value",
        ),
        ("pageSize=five", "/pageSize", "must be a whole number from -2147483648 to 2147483647"),
        ("pageSize=+5", "/pageSize", "must be a whole number from -2147483648 to 2147483647"),
        (
            "pageSize=5&page_size=6",
            "/page_size",
            "is given more than once, or together with what excludes it",
        ),
        (
            "like.paper=a&like.kilobytes=6",
            "/like/kilobytes",
            "is given more than once, or together with what excludes it",
        ),
        ("genres=GENRE_SONG", "/genres", "must be one of GENRE_UNSPECIFIED, GENRE_NOVEL, GENRE_POEM"),
        ("like.lent=1", "/like/lent", "must be true or false, not a string"),
        ("like=x", "/like", "is a message: give its fields one by one"),
        ("like.extra=x", "/like/extra", "is a message: give its fields one by one"),
        ("books=x", "/books", "is a message: give its fields one by one"),
        ("labels=x", "/labels", "is a map: give it as labels[key]=value"),
        ("labels[a]=1&labels[a]=2", "/labels[a]", "is given more than once"),
        ("shelves[a]=1", "/shelves[a]", "holds messages: it cannot be given in a query"),
        ("pageSize[a]=1", "/pageSize[a]", "is not a map"),
        ("nobody[a]=1", "/nobody[a]", "is not a known parameter"),
        ("like.title_text=%00", "/like/title_text", "must not hold the character U+0000"),
        ("like.printed=soon", "/like/printed", "must be an RFC 3339 time, such as 2026-01-31T12:00:00Z"),
        ("pageSize=%zz", "", "holds a parameter that is not percent-encoded UTF-8"),
        ("pageSize=%ff", "", "holds a parameter that is not percent-encoded UTF-8"),
    ],
)
def test_a_fault_of_the_query_has_its_name(query: str, pointer: str, detail: str) -> None:
    assert refused("GET", f"/v1/books:search?{query}") == [("query", pointer, detail)]


def test_a_field_of_the_path_cannot_come_by_query() -> None:
    faults = refused("GET", "/v1/shelves/a/books/b?shelf=c&book.id=d")

    detail = "is given by the path or the body, and not by the query"
    assert faults == [("query", "/shelf", detail), ("query", "/book/id", detail)]


def test_a_body_can_be_one_field() -> None:
    request = bound("POST", "/v1/shelves/a/books?dryRun=true", b'{"titleText": "Emma"}')

    assert request == CreateBookRequest(shelf="a", dry_run=True, book=Book(title_text="Emma"))


def test_a_field_of_the_body_cannot_come_by_query() -> None:
    faults = refused("POST", "/v1/shelves/a/books?book.id=d", b"{}")

    assert faults == [("query", "/book/id", "is given by the path or the body, and not by the query")]


def test_a_body_can_be_an_array() -> None:
    assert bound("PUT", "/v1/tags", b'["a", "b"]') == SetTagsRequest(tags=["a", "b"])


def test_a_body_can_be_all_that_the_path_leaves() -> None:
    request = bound("POST", "/v1/books/7:move", b'{"shelf": "b", "with": {"id": "8"}}')

    assert request.id == "7"
    assert request.shelf == "b"
    assert getattr(request, "with").id == "8"


def test_no_body_is_an_empty_one() -> None:
    assert bound("POST", "/v1/books/7:move") == MoveBookRequest(id="7")


def test_a_field_of_the_path_cannot_come_by_body() -> None:
    faults = refused("POST", "/v1/books/7:move", b'{"id": "8", "shelf": "b"}')

    assert faults == [("body", "/id", "is named by the path already")]


def test_a_call_that_takes_its_fields_from_the_body_takes_none_from_the_query() -> None:
    faults = refused("POST", "/v1/books/7:move?shelf=b", b"{}")

    assert faults == [
        ("query", "/shelf", "is not a known parameter: this call takes its fields from the body")
    ]


def test_a_body_of_any_kind_is_passed_on_as_it_is() -> None:
    request = bound("POST", "/v1/books/7/cover", b"\x89PNG\x00", "image/png")

    assert request.id == "7"
    assert request.cover == type(UploadCoverRequest().cover)(content_type="image/png", data=b"\x89PNG\x00")


def test_faults_of_path_query_and_body_are_found_at_once() -> None:
    faults = refused("POST", "/v1/shelves/%00/books?dryRun=maybe&x=1", b'{"titel": 1, "pages": {}}')

    assert [(place, pointer) for place, pointer, _ in faults] == [
        ("body", "/titel"),
        ("body", "/pages"),
        ("path", "/shelf"),
        ("query", "/dryRun"),
        ("query", "/x"),
    ]


def test_a_member_that_is_named_twice_is_refused() -> None:
    assert refused("POST", "/v1/books/7:move", b'{"shelf": "a", "shelf": "b"}') == [
        ("body", "/shelf", "is named more than once")
    ]


def test_a_body_that_is_no_json_is_refused() -> None:
    with pytest.raises(MalformedBody, match="breaks at byte 1"):
        bound("POST", "/v1/books/7:move", b"{")
