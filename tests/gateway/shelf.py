"""The API of shelf.proto, compiled once."""

import tempfile
from pathlib import Path
from typing import Any

from gateway.matching import Paths
from gateway.routes import Route, add_routes
from tests.gateway.protos import HERE, compiled, message_class

with tempfile.TemporaryDirectory() as _folder:
    SHELF = compiled(HERE / "shelf.proto", Path(_folder) / "shelf.binpb")

# Made at run time, so no type checker knows their fields.
Book: Any = message_class(SHELF, "Book")
BookResponse: Any = message_class(SHELF, "BookResponse")
CreateBookRequest: Any = message_class(SHELF, "CreateBookRequest")
GetBookRequest: Any = message_class(SHELF, "GetBookRequest")
GetCoverResponse: Any = message_class(SHELF, "GetCoverResponse")
MoveBookRequest: Any = message_class(SHELF, "MoveBookRequest")
MoveBookResponse: Any = message_class(SHELF, "MoveBookResponse")
SearchRequest: Any = message_class(SHELF, "SearchRequest")
SearchResponse: Any = message_class(SHELF, "SearchResponse")
SetTagsRequest: Any = message_class(SHELF, "SetTagsRequest")
SetTagsResponse: Any = message_class(SHELF, "SetTagsResponse")
UploadCoverRequest: Any = message_class(SHELF, "UploadCoverRequest")
WatchBookRequest: Any = message_class(SHELF, "WatchBookRequest")
WatchBookResponse: Any = message_class(SHELF, "WatchBookResponse")

TABLE: Paths[Route] = Paths()
add_routes(TABLE, [SHELF])
