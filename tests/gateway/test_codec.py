"""Messages from JSON, with every fault, and to JSON."""

import base64
import json
import random
from typing import Any

import pytest
from google.protobuf import json_format

from gateway import codec
from gateway.documents import NotJson, parse
from gateway.faults import MOST_FAULTS, Faults
from tests.gateway.shelf import Book


def decoded(document: object) -> tuple[Any, dict[str, str]]:
    """The book and the faults by their pointers."""
    book, faults = Book(), Faults()
    codec.decode(book, document, faults)
    return book, {fault.pointer: fault.detail for fault in faults}


@pytest.mark.parametrize(
    "document",
    [
        {"id": "7", "titleText": "Emma", "genre": "GENRE_NOVEL", "pages": "474", "lent": True},
        {"title_text": "Emma", "genre": 2, "pages": 474, "copies": 0, "serial": "18446744073709551615"},
        {"pages": 4.74e2, "weight": 1, "height": "1.5e1", "kilobytes": "1e3"},
        {"weight": "NaN", "height": "-Infinity"},
        {"sequel": {"sequel": {"id": "x"}}, "related": [{}, {"id": "y"}]},
        {"authors": [], "ratings": {"a": 1, "b": "2"}, "editions": {"-1": {"id": "z"}, "2": {}}},
        {"paper": None, "kilobytes": 5, "id": None, "sequel": None, "authors": None},
        {"printed": "2026-01-31T12:00:00.5+01:00", "readTime": "1.5s", "mask": "titleText,sequel.id"},
        {
            "price": 7,
            "aliases": ["a", "b"],
            "extra": {"a": [1, {"b": None}]},
            "anything": None,
            "list": [1, "x"],
        },
        {"anything": [True, 1.5, "x"], "nothing": None, "note": ""},
        {"cover": base64.b64encode(bytes(range(256))).decode()},
        {"cover": base64.urlsafe_b64encode(b"\xff\xfe\xfd\xfc").decode().rstrip("=")},
    ],
)
def test_a_document_is_read_as_the_reference_reads_it(document: dict[str, Any]) -> None:
    book, faults = decoded(document)

    assert faults == {}
    # NaN equals nothing, so compare what is written.
    assert json_format.MessageToDict(book) == json_format.MessageToDict(
        json_format.ParseDict(document, Book())
    )


@pytest.mark.parametrize(
    ("document", "pointer", "detail"),
    [
        ([], "", "must be an object, not an array"),
        (None, "", "must be an object, not null"),
        ("x", "", "must be an object, not a string"),
        ({"titel": "x"}, "/titel", "is not a known field"),
        ({"a/b~c": 1}, "/a~1b~0c", "is not a known field"),
        ({"\ud800": 1}, "/?", "is not a known field"),
        ({"id": 7}, "/id", "must be a string, not a number"),
        ({"id": "a\0b"}, "/id", "must not hold the character U+0000"),
        ({"id": "\ud800"}, "/id", "must be Unicode text: it holds half of a surrogate pair"),
        ({"lent": "true"}, "/lent", "must be true or false, not a string"),
        ({"lent": 1}, "/lent", "must be true or false, not a number"),
        ({"copies": -1}, "/copies", "is out of range: must be a whole number from 0 to 4294967295"),
        ({"copies": 2**32}, "/copies", "is out of range: must be a whole number from 0 to 4294967295"),
        ({"kilobytes": True}, "/kilobytes", "must be a whole number from -2147483648 to 2147483647"),
        ({"kilobytes": 1.5}, "/kilobytes", "must be a whole number from -2147483648 to 2147483647"),
        ({"kilobytes": "1_0"}, "/kilobytes", "must be a whole number from -2147483648 to 2147483647"),
        ({"kilobytes": " 1"}, "/kilobytes", "must be a whole number from -2147483648 to 2147483647"),
        ({"kilobytes": "٣"}, "/kilobytes", "must be a whole number from -2147483648 to 2147483647"),
        ({"kilobytes": ""}, "/kilobytes", "must be a whole number from -2147483648 to 2147483647"),
        ({"kilobytes": "1e999999999"}, "/kilobytes", "must be a whole number from -2147483648 to 2147483647"),
        (
            {"kilobytes": 10**400},
            "/kilobytes",
            "is out of range: must be a whole number from -2147483648 to 2147483647",
        ),
        ({"genre": "NOVEL"}, "/genre", "must be one of GENRE_UNSPECIFIED, GENRE_NOVEL, GENRE_POEM"),
        ({"genre": 9}, "/genre", "must be one of GENRE_UNSPECIFIED, GENRE_NOVEL, GENRE_POEM"),
        ({"genre": True}, "/genre", "must be one of GENRE_UNSPECIFIED, GENRE_NOVEL, GENRE_POEM"),
        ({"genre": []}, "/genre", "must be one of GENRE_UNSPECIFIED, GENRE_NOVEL, GENRE_POEM"),
        ({"weight": "heavy"}, "/weight", "must be a number, not a string"),
        ({"weight": 10**400}, "/weight", "is out of range"),
        ({"height": 1e39}, "/height", "is out of range"),
        ({"cover": "a"}, "/cover", "must be base64"),
        ({"cover": "a b="}, "/cover", "must be base64"),
        ({"cover": "+_=="}, "/cover", "must be base64"),
        ({"sequel": "x"}, "/sequel", "must be an object, not a string"),
        ({"sequel": {"sequel": {"id": 1}}}, "/sequel/sequel/id", "must be a string, not a number"),
        ({"authors": "x"}, "/authors", "must be an array, not a string"),
        ({"authors": ["x", 1]}, "/authors/1", "must be a string, not a number"),
        ({"authors": [None]}, "/authors/0", "must be a string, not null"),
        ({"related": [{}, None]}, "/related/1", "must be an object, not null"),
        ({"ratings": []}, "/ratings", "must be an object, not an array"),
        ({"ratings": {"a": "x"}}, "/ratings/a", "must be a whole number from -2147483648 to 2147483647"),
        ({"editions": {"a": {}}}, "/editions/a", "must be a whole number from -2147483648 to 2147483647"),
        ({"editions": {"1": {"id": 1}}}, "/editions/1/id", "must be a string, not a number"),
        ({"paper": "a", "kilobytes": 1}, "/kilobytes", "cannot be given together with paper"),
        ({"titleText": "a", "title_text": "b"}, "/title_text", "cannot be given together with titleText"),
        ({"printed": "soon"}, "/printed", "must be an RFC 3339 time, such as 2026-01-31T12:00:00Z"),
        ({"printed": 5}, "/printed", "must be an RFC 3339 time, such as 2026-01-31T12:00:00Z, not a number"),
        ({"readTime": "9"}, "/readTime", "must be a number of seconds followed by s, such as 1.5s"),
        ({"price": "x"}, "/price", "must be a whole number from -2147483648 to 2147483647"),
        ({"aliases": [1]}, "/aliases/0", "must be a string, not a number"),
        ({"extra": 1}, "/extra", "cannot be a Struct"),
        ({"list": {}}, "/list", "cannot be a ListValue"),
    ],
)
def test_a_fault_has_its_pointer_and_our_words(document: object, pointer: str, detail: str) -> None:
    _, faults = decoded(document)

    assert faults == {pointer: detail}


def test_all_faults_are_found_at_once() -> None:
    _, faults = decoded({"id": 1, "titel": "x", "sequel": {"pages": "many"}, "authors": [2]})

    assert list(faults) == ["/id", "/titel", "/sequel/pages", "/authors/0"]


def test_faults_without_end_are_cut() -> None:
    _, faults = decoded({f"x{number}": 1 for number in range(10 * MOST_FAULTS)})

    assert len(faults) == MOST_FAULTS


def test_nesting_without_end_is_refused() -> None:
    document: dict[str, Any] = {}
    for _ in range(90):
        document = {"sequel": document}

    _, faults = decoded(document)

    assert list(faults.values()) == ["is nested too deeply"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "at byte 0 (line 1, column 1)"),
        (b"{", "at byte 1 (line 1, column 2)"),
        (b'{"a": 1,\n "b" 2}', "at byte 14 (line 2, column 6)"),
        ('{"é": }'.encode(), "at byte 7 (line 1, column 7)"),
        (b"{'a': 1}", "at byte 1"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": -Infinity}', "-Infinity is no number"),
        (b"\xef\xbb\xbf{}", "at byte 0"),
        (b'{"a": "\xff"}', "not UTF-8: it breaks at byte 7"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"1" * 5000, "a number that is too long"),
        (b'{"a": 1} {}', "at byte 9"),
    ],
)
def test_what_is_not_json_is_refused_where_it_stops_being_so(body: bytes, detail: str) -> None:
    with pytest.raises(NotJson) as refused:
        parse(body, Faults())

    assert detail in str(refused.value)


def test_a_member_that_is_named_twice_is_a_fault() -> None:
    faults = Faults()

    parse(b'{"a": 1, "b": [{"c": 1, "c": 2, "c": 3}], "a": 1}', faults)

    assert [(fault.pointer, fault.detail) for fault in faults] == [
        ("/a", "is named more than once"),
        ("/b/0/c", "is named more than once"),
    ]


def test_defaults_are_written_and_what_was_never_set_is_not() -> None:
    document = codec.encode(Book(id="7", pages=474))

    assert document["id"] == "7"
    assert document["pages"] == "474"
    assert document["copies"] == 0
    assert document["authors"] == []
    assert document["genre"] == "GENRE_UNSPECIFIED"
    assert document.keys().isdisjoint({"sequel", "note", "paper", "printed"})


def test_json_is_written_without_spaces_as_utf_8() -> None:
    assert codec.dumps({"a": ["é", 1]}) == '{"a":["é",1]}'.encode()


VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31,
    2**63,
    2**64,
    1.5,
    1e300,
    "",
    "a",
    "1",
    "-7",
    "1e2",
    "true",
    "NaN",
    "GENRE_POEM",
    "2026-01-31T12:00:00Z",
    "1s",
    "YWI=",
    [],
    [1],
    ["a"],
    [None],
    [{}],
    {},
    {"a": 1},
    {"1": {}},
    {"id": "x"},
    "a.b,c",
]


@pytest.mark.parametrize("seed", range(4))
def test_what_we_accept_the_reference_accepts_alike(seed: int) -> None:
    print(f"seed {seed}")
    choose = random.Random(seed)
    names = [field.json_name for field in Book.DESCRIPTOR.fields]
    accepted = 0
    for _ in range(500):
        document = {choose.choice(names): choose.choice(VALUES) for _ in range(choose.randint(1, 2))}
        book, faults = decoded(document)
        if faults:
            continue
        accepted += 1
        reference = json_format.ParseDict(json.loads(json.dumps(document)), Book())
        assert json_format.MessageToDict(book) == json_format.MessageToDict(reference), document

    assert accepted > 50
