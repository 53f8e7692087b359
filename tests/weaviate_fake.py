"""As much of a Weaviate server as the official client asks of it for the semantic cache: over HTTP what it is and which
collections it has, over gRPC (the client's own messages) objects, searches, deletions and counts.

It compares whole collections, and refuses what the real one would: unknown collections, properties and operators,
vectors of different lengths, keys that are wrong. A server of one's own: MICROGATE_TEST_WEAVIATE.
"""

from __future__ import annotations

import json
import math
import threading
from array import array
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn
from uuid import UUID

import grpc
from weaviate.proto.v1 import (
    aggregate_pb2,
    base_pb2,
    batch_delete_pb2,
    batch_pb2,
    search_get_pb2,
    weaviate_pb2_grpc,
)

API_KEY = "s3cr3t/@:key"
_Operator = base_pb2.Filters


@dataclass
class _Collection:
    schema: dict[str, Any]
    objects: dict[UUID, tuple[dict[str, Any], array[float]]] = field(default_factory=dict)

    def kind(self, name: str) -> str | None:
        return next((each["dataType"][0] for each in self.schema["properties"] if each["name"] == name), None)


class _Refused(Exception):
    pass


class WeaviateFake(weaviate_pb2_grpc.WeaviateServicer):
    """Started when made; ``stop`` and ``start`` again at will, with what it has."""

    def __init__(self) -> None:
        self._collections: dict[str, _Collection] = {}
        self._lock = threading.Lock()
        self._speaks = threading.Event()
        self._speaks.set()
        self.asked: list[str] = []
        """Methods and paths, in the order in which they came."""
        self.port = self.grpc_port = 0
        self.start()

    # -- life

    def start(self) -> None:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def _answer(self) -> None:
                fake._over_http(self)

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - http.server's names

        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self._pool = ThreadPoolExecutor(16)
        self._grpc = grpc.server(self._pool)
        weaviate_pb2_grpc.add_WeaviateServicer_to_server(self, self._grpc)  # type: ignore[no-untyped-call]
        self.port = self._http.server_port
        self.grpc_port = self._grpc.add_insecure_port(f"127.0.0.1:{self.grpc_port}")
        self._grpc.start()

    def stop(self) -> None:
        self._speaks.set()
        self._grpc.stop(None).wait(10)
        self._pool.shutdown()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def fall_silent(self) -> None:
        """Take what comes, and say nothing."""
        self._speaks.clear()

    def speak(self) -> None:
        self._speaks.set()

    def url(self, collection: str, *, key: str = API_KEY, more: str = "") -> str:
        password = key.replace("/", "%2F").replace("@", "%40").replace(":", "%3A")
        place = f"127.0.0.1:{self.port}"
        return f"weaviate://:{password}@{place}?grpc={self.grpc_port}&collection={collection}{more}"

    # -- HTTP

    def _over_http(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(f"{request.command} {request.path}")
        self._speaks.wait()
        body = request.rfile.read(int(request.headers.get("content-length") or 0))
        status, answer = 401, {"error": [{"message": "anonymous access not enabled"}]}
        if request.headers.get("authorization") == f"Bearer {API_KEY}":
            with self._lock:
                status, answer = self._answer(request.command, request.path, json.loads(body) if body else {})
        said = json.dumps(answer).encode()
        request.send_response(status)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(said)))
        request.end_headers()
        request.wfile.write(said)

    def _answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        name = path.removeprefix("/v1/schema/")
        if (method, path) == ("GET", "/v1/meta"):
            return 200, {"version": "1.36.0", "hostname": "http://[::]:8080", "modules": {}}
        if (method, path) == ("POST", "/v1/schema"):
            if body["class"] in self._collections:
                return 422, {"error": [{"message": f"class name {body['class']} already exists"}]}
            [index] = [each["vectorIndexConfig"] for each in body["vectorConfig"].values()]
            assert index["distance"] == "cosine", body
            assert [each["vectorizer"] for each in body["vectorConfig"].values()] == [{"none": {}}], body
            self._collections[body["class"]] = _Collection(body)
            return 200, body
        if method == "GET" and name != path:
            found = self._collections.get(name)
            return (200, found.schema) if found else (404, {"error": [{"message": "not found"}]})
        if method == "DELETE" and name != path:
            self._collections.pop(name, None)
            return 200, {}
        return 405, {"error": [{"message": f"{method} {path} is not served here"}]}

    # -- gRPC

    def _collection(self, context: grpc.ServicerContext, method: str, name: str) -> _Collection:
        self.asked.append(method)
        self._speaks.wait()
        if dict(context.invocation_metadata()).get("authorization") != f"Bearer {API_KEY}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "unauthorized: invalid api key")
        if name not in self._collections:
            context.abort(grpc.StatusCode.UNKNOWN, f"could not find class {name} in schema")
        return self._collections[name]

    def BatchObjects(  # noqa: N802
        self, request: batch_pb2.BatchObjectsRequest, context: grpc.ServicerContext
    ) -> batch_pb2.BatchObjectsReply:
        reply = batch_pb2.BatchObjectsReply()
        for index, each in enumerate(request.objects):
            into = self._collection(context, "BatchObjects", each.collection)
            with self._lock:
                try:
                    self._keep(into, each)
                except _Refused as error:
                    reply.errors.add(index=index, error=str(error))
        return reply

    @staticmethod
    def _keep(into: _Collection, each: batch_pb2.BatchObject) -> None:
        properties = {}
        for name, value in each.properties.non_ref_properties.fields.items():
            kind, found = into.kind(name), getattr(value, value.WhichOneof("kind"))
            if kind == "int" and not float(found).is_integer():
                raise _Refused(f"invalid integer property {name}")
            if kind not in ("int", "text") or isinstance(found, str) != (kind == "text"):
                raise _Refused(f"invalid property {name}")
            properties[name] = int(found) if kind == "int" else found
        vector = array("f", each.vectors[0].vector_bytes if each.vectors else each.vector_bytes)
        if any(len(other) != len(vector) for _, other in into.objects.values()):
            raise _Refused("vector lengths don't match")
        into.objects[UUID(each.uuid)] = (properties, vector)

    def Search(  # noqa: N802
        self, request: search_get_pb2.SearchRequest, context: grpc.ServicerContext
    ) -> search_get_pb2.SearchReply:
        into = self._collection(context, "Search", request.collection)
        with self._lock:
            found = self._matching(context, into, request.filters if request.HasField("filters") else None)
            if request.HasField("near_vector"):
                near = request.near_vector
                asked = array("f", near.vectors[0].vector_bytes if near.vectors else near.vector_bytes)
                ordered = sorted((self._distance(context, into, asked, name), name.bytes) for name in found)
            else:
                [by] = request.sort_by
                assert by.ascending
                ordered = sorted((into.objects[name][0][by.path[0]], name.bytes) for name in found)
        reply = search_get_pb2.SearchReply()
        for value, name in ordered[: request.limit]:
            metadata = search_get_pb2.MetadataResult(id=str(UUID(bytes=name)), id_as_bytes=name)
            if request.metadata.distance:
                metadata.distance, metadata.distance_present = value, True
            reply.results.add(metadata=metadata, properties=search_get_pb2.PropertiesResult())
        return reply

    @staticmethod
    def _distance(context: grpc.ServicerContext, into: _Collection, asked: array[float], name: UUID) -> float:
        vector = into.objects[name][1]
        if len(vector) != len(asked):
            context.abort(grpc.StatusCode.UNKNOWN, "vector lengths don't match")
        lengths = math.sqrt(sum(a * a for a in asked)) * math.sqrt(sum(a * a for a in vector))
        return 1.0 - sum(a * b for a, b in zip(asked, vector, strict=True)) / lengths

    def BatchDelete(  # noqa: N802
        self, request: batch_delete_pb2.BatchDeleteRequest, context: grpc.ServicerContext
    ) -> batch_delete_pb2.BatchDeleteReply:
        into = self._collection(context, "BatchDelete", request.collection)
        with self._lock:
            gone = self._matching(context, into, request.filters)[:10_000]
            for name in gone:
                del into.objects[name]
        return batch_delete_pb2.BatchDeleteReply(matches=len(gone), successful=len(gone))

    def Aggregate(  # noqa: N802
        self, request: aggregate_pb2.AggregateRequest, context: grpc.ServicerContext
    ) -> aggregate_pb2.AggregateReply:
        into = self._collection(context, "Aggregate", request.collection)
        assert request.objects_count
        return aggregate_pb2.AggregateReply(single_result={"objects_count": len(into.objects)})

    def _matching(self, context: grpc.ServicerContext, into: _Collection, asked: base_pb2.Filters | None) -> list[UUID]:
        try:
            return [name for name in into.objects if asked is None or _matches(into, name, asked)]
        except _Refused as error:
            _abort(context, str(error))


def _abort(context: grpc.ServicerContext, words: str) -> NoReturn:
    context.abort(grpc.StatusCode.UNKNOWN, words)
    raise AssertionError


def _matches(into: _Collection, name: UUID, asked: base_pb2.Filters) -> bool:
    if asked.operator == _Operator.OPERATOR_AND:
        return all(_matches(into, name, each) for each in asked.filters)
    of = asked.target.property
    if of == "_id":
        if asked.operator != _Operator.OPERATOR_CONTAINS_ANY:
            raise _Refused("ids are asked for by ContainsAny here")
        return str(name) in asked.value_text_array.values
    value, kind = into.objects[name][0].get(of), into.kind(of)
    if asked.operator == _Operator.OPERATOR_EQUAL and kind == "text" and asked.HasField("value_text"):
        return bool(value == asked.value_text)
    if kind == "int" and asked.HasField("value_int") and value is not None:
        if asked.operator == _Operator.OPERATOR_GREATER_THAN:
            return bool(value > asked.value_int)
        if asked.operator == _Operator.OPERATOR_LESS_THAN_EQUAL:
            return bool(value <= asked.value_int)
    raise _Refused(f"operator {asked.operator} of {of} is not served here")
