"""From what a service answered to what a client is answered."""

import json
from typing import Any

import pytest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.message import Message

from gateway.answer import HTTP_STATUSES, Answer, answer_of, problem_of
from gateway.problems import CODES, Occurrence, problem_document, rendered, status_document
from gateway.routes import Route
from servicekit.errors import FieldViolation, IdempotencyKeyReused, InvalidArgument, Kind, Unauthenticated
from servicekit.status import RemoteRefusal
from tests.gateway.shelf import (
    TABLE,
    Book,
    BookResponse,
    GetCoverResponse,
    MoveBookResponse,
    SearchResponse,
    SetTagsResponse,
)

HERE = Occurrence(path="/v1/books", request_id="r1", trace_id="t1")


def route(method: str, path: str) -> Route:
    return TABLE.find(method, path).target


def told(method: str, path: str, response: Message) -> tuple[int, dict[str, str], Any]:
    answer: Answer = answer_of(route(method, path), response)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return answer.status, headers, json.loads(answer.body) if answer.body else None


def test_the_answer_can_be_one_field_of_the_response() -> None:
    status, headers, document = told("GET", "/v1/shelves/a/books/b", BookResponse(book=Book(id="b")))

    assert status == 200
    assert headers == {"content-type": "application/json"}
    assert document["id"] == "b"


def test_a_field_that_was_not_set_is_an_empty_object() -> None:
    assert told("GET", "/v1/shelves/a/books/b", BookResponse())[2] == {}


def test_the_answer_can_be_an_array() -> None:
    assert told("PUT", "/v1/tags", SetTagsResponse(tags=["a"]))[2] == ["a"]
    assert told("GET", "/v1/books:search", SearchResponse())[2] == []


def test_what_was_created_has_its_location() -> None:
    response = BookResponse(book=Book(shelf="a/b", id="é"))

    status, headers, document = told("POST", "/v1/shelves/x/books", response)

    assert status == 201
    assert headers["location"] == "/v1/shelves/a%2Fb/books/%C3%A9"
    assert document["id"] == "é"


def test_a_message_without_fields_is_no_content() -> None:
    assert told("POST", "/v1/books/7:move", MoveBookResponse()) == (204, {}, None)


def test_a_body_of_any_kind_is_answered_as_it_is() -> None:
    answer = answer_of(route("POST", "/v1/books/7/cover"), HttpBody(content_type="image/png", data=b"\x89"))

    assert answer == Answer(200, ((b"content-type", b"image/png"),), b"\x89")


def test_a_part_of_the_response_can_be_answered_as_it_is() -> None:
    response = GetCoverResponse(cover=HttpBody(content_type="text/csv", data=b"a,b\n"))

    answer = answer_of(route("GET", "/v1/books/7/cover"), response)

    assert answer == Answer(200, ((b"content-type", b"text/csv"),), b"a,b\n")


def test_a_deprecated_call_says_until_when_and_what_follows() -> None:
    _, headers, _ = told("GET", "/v0/books/7", BookResponse())

    assert headers["deprecation"] == "@1735689600"
    assert headers["sunset"] == "Fri, 01 Jan 2027 00:00:00 GMT"
    assert headers["link"] == '</v1/books:search>; rel="successor-version"'


def test_every_kind_of_refusal_has_a_status() -> None:
    assert {kind.value for kind in Kind} <= HTTP_STATUSES.keys()
    assert HTTP_STATUSES.keys() == CODES.keys()


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (Kind.INVALID_ARGUMENT, 400),
        (Kind.FAILED_PRECONDITION, 400),
        (Kind.UNAUTHENTICATED, 401),
        (Kind.PERMISSION_DENIED, 403),
        (Kind.NOT_FOUND, 404),
        (Kind.ALREADY_EXISTS, 409),
        (Kind.ABORTED, 409),
        (Kind.RESOURCE_EXHAUSTED, 429),
        (Kind.INTERNAL, 500),
        (Kind.UNIMPLEMENTED, 501),
        (Kind.UNAVAILABLE, 503),
        (Kind.DEADLINE_EXCEEDED, 504),
    ],
)
def test_a_refusal_has_the_status_of_its_code(kind: Kind, status: int) -> None:
    assert problem_of(RemoteRefusal(kind, "SO", "so"), None).status == status


def test_a_reused_key_is_unprocessable() -> None:
    assert problem_of(IdempotencyKeyReused("no"), None).status == 422


def test_a_refusal_that_names_a_delay_is_told_with_it() -> None:
    refusal = InvalidArgument("busy", retry_after_seconds=0.2)

    assert problem_of(refusal, None).headers == ((b"retry-after", b"1"),)


def test_whoever_is_not_signed_in_is_told_how_to() -> None:
    assert (b"www-authenticate", b'Bearer realm="tillmesh"') in problem_of(
        Unauthenticated("no"), None
    ).headers


@pytest.mark.parametrize(
    ("method", "path", "field", "place", "pointer"),
    [
        ("POST", "/v1/books/7:move", "with.title_text", "body", "/with/titleText"),
        ("POST", "/v1/books/7:move", "with.related[2].title_text", "body", "/with/related/2/titleText"),
        ("POST", "/v1/books/7:move", 'with.ratings["a/b"]', "body", "/with/ratings/a~1b"),
        ("POST", "/v1/books/7:move", "id", "path", "/id"),
        ("POST", "/v1/books/7:move", "unheard_of", "body", "/unheard_of"),
        ("POST", "/v1/shelves/a/books", "book.title_text", "body", "/titleText"),
        ("POST", "/v1/shelves/a/books", "dry_run", "query", "/dryRun"),
        ("POST", "/v1/shelves/a/books", "shelf", "path", "/shelf"),
        ("GET", "/v1/books:search", "page_size", "query", "/pageSize"),
        ("GET", "/v1/books:search", "", "query", ""),
    ],
)
def test_a_violation_is_told_where_the_client_sees_it(
    method: str, path: str, field: str, place: str, pointer: str
) -> None:
    refusal = InvalidArgument("no", violations=[FieldViolation(field, "is wrong")])

    fault = problem_of(refusal, route(method, path)).faults[0]

    assert (fault.place.value, fault.pointer, fault.detail) == (place, pointer, "is wrong")


def test_a_problem_says_all_that_is_known() -> None:
    refusal = RemoteRefusal(Kind.FAILED_PRECONDITION, "OUT_OF_STOCK", "nothing is left")
    refusal.metadata = {"sku": "A1", "error_id": "e1"}
    refusal.violations = (FieldViolation("id", "is wrong"),)

    document = problem_document(problem_of(refusal, route("POST", "/v1/books/7:move")), HERE)

    assert document == {
        "type": "urn:problem-type:tillmesh:out-of-stock",
        "title": "Out of stock",
        "status": 400,
        "detail": "nothing is left",
        "instance": "/v1/books",
        "code": "FAILED_PRECONDITION",
        "reason": "OUT_OF_STOCK",
        "errors": [{"pointer": "/id", "in": "path", "detail": "is wrong"}],
        "metadata": {"sku": "A1"},
        "errorId": "e1",
        "requestId": "r1",
        "traceId": "t1",
    }


def test_a_problem_can_be_a_google_rpc_status() -> None:
    refusal = InvalidArgument("no", violations=[FieldViolation("page_size", "is wrong")])

    document = status_document(problem_of(refusal, route("GET", "/v1/books:search")), HERE)

    assert document["code"] == 3
    assert document["message"] == "no"
    kinds = {detail["@type"].rpartition(".")[2]: detail for detail in document["details"]}
    assert kinds["ErrorInfo"]["reason"] == "INVALID_ARGUMENT"
    assert kinds["RequestInfo"]["requestId"] == "r1"
    assert kinds["BadRequest"]["fieldViolations"] == [{"field": "/pageSize", "description": "is wrong"}]


def test_the_form_of_a_problem_is_named() -> None:
    problem = problem_of(InvalidArgument("no"), None)

    assert rendered(problem, HERE, as_status=False)[0] == b"application/problem+json"
    assert rendered(problem, HERE, as_status=True)[0] == b"application/json"
