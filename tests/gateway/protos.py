"""Protos made for tests, compiled when they are needed."""

import itertools
from importlib import resources
from pathlib import Path

import google.api
from google.api import annotations_pb2, httpbody_pb2
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from grpc_tools import protoc
from tillmesh.options.v1 import options_pb2

IMPORTABLE = (
    annotations_pb2,
    duration_pb2,
    field_mask_pb2,
    httpbody_pb2,
    options_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
"""Loading these is what lets a proto made at run time import them."""

HERE = Path(__file__).parent
PROTOS = HERE.parent.parent / "protos"
_numbers = itertools.count(1)

HEADER = """
syntax = "proto3";
package tillmesh.{package}.v1;
import "google/api/annotations.proto";
import "tillmesh/options/v1/options.proto";
"""


def compiled(path: Path, output: Path) -> FileDescriptor:
    """The descriptor of a proto file, known to the default pool like generated ones."""
    well_known = resources.files("grpc_tools") / "_proto"
    google_api = Path(next(iter(google.api.__path__))).parent.parent
    includes = [f"-I{folder}" for folder in (path.parent, PROTOS, google_api, well_known)]
    failed = protoc.main(["protoc", *includes, f"--descriptor_set_out={output}", path.name])
    assert not failed, f"{path} does not compile"
    files = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes())
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(files.file[0].SerializeToString())
    return pool.FindFileByName(path.name)


def compiled_rpc(folder: Path, http: str, *, options: str = "", streams: str = "") -> FileDescriptor:
    """A proto with one RPC that has this `google.api.http` and these options."""
    package = f"trial{next(_numbers)}"
    text = HEADER.format(package=package) + (
        "message Inner { string sku = 1; }\n"
        "message GoRequest { string id = 1; Inner inner = 2; repeated string many = 3; }\n"
        "message GoResponse { string id = 1; Inner inner = 2; }\n"
        f"service GoService {{ rpc Go({streams} GoRequest) returns (GoResponse) {{\n"
        f"  option (google.api.http) = {{ {http} }};\n"
        f"  {options or 'option (tillmesh.options.v1.policy) = {public: true};'}\n"
        "} }\n"
    )
    path = folder / f"{package}.proto"
    path.write_text(text)
    return compiled(path, folder / f"{package}.binpb")


def message_class(file: FileDescriptor, name: str) -> type[Message]:
    return message_factory.GetMessageClass(file.message_types_by_name[name])
