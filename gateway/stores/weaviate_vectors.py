"""The semantic cache's index in Weaviate (``pip install 'microgate[weaviate]'``), imported when a URL names it.

    weaviate://:api-key@host:8080?grpc=50051&timeout=0.5&collection=Microgate
    weaviates://…                      over TLS

Gateways with the same ``collection`` share an index; each number of dimensions has a collection of its own. What is
asked goes through the official client, most of it over gRPC. It tries again with pauses of seconds what a server could
not do just now, so each call has an end of its own.
"""

from __future__ import annotations

import json
import re
import threading
import time
from array import array
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, NoReturn, TypeVar
from uuid import UUID

import weaviate
from weaviate.classes.config import Configure, DataType, Property, Tokenization, VectorDistances
from weaviate.classes.data import DataObject
from weaviate.classes.init import AdditionalConfig, Auth, Timeout
from weaviate.classes.query import Filter, MetadataQuery, Sort
from weaviate.collections import Collection
from weaviate.config import ConnectionConfig, GrpcConfig
from weaviate.connect import ConnectionParams
from weaviate.exceptions import AuthenticationFailedError, UnexpectedStatusCodeError, WeaviateBaseError

from gateway.stores.breaker import Breaker
from gateway.stores.deadline import within
from gateway.stores.protocols import StoreStatus, StoreUnavailable
from gateway.stores.store_url import parse
from gateway.stores.vectors import Vectors, check

TIMEOUT_S = 0.5
WRITE_S = 15.0
"""Of what no request waits for."""

PORT = 8080
GRPC_PORT = 50051

AT_ONCE = 1000
"""Vectors of one call; a server deletes at most 10,000 (QUERY_MAXIMUM_RESULTS)."""

_PARAMETERS = ("collection", "grpc", "timeout")
_NAME = re.compile(r"[A-Z][A-Za-z0-9]{0,63}", re.ASCII)
_OURS = 0x6D6963726F676174 << 64
"""The upper half of an object's id; the lower one is the key."""

_KEY = (1 << 64) - 1
# A server that is away is waited for until the call's own end; else the client would sleep for seconds.
_WAIT_FOR_READY = json.dumps({"methodConfig": [{"name": [{}], "waitForReady": True}]})

Result = TypeVar("Result")


class WeaviateVectors:
    """``VectorStore`` over a Weaviate server. Calls may come from any thread."""

    def __init__(
        self, url: str, dimensions: int, most: int, kind: str = "float32", *, clock: Callable[[], int] = time.time_ns
    ) -> None:
        """Connects with the first call. ``kind`` is float32 whatever is asked for. Raises ValueError for a URL that
        cannot be understood."""
        del kind
        self.dimensions = dimensions
        self.most = most
        self._clock = clock
        parts = parse(url, PORT, _PARAMETERS)
        self._timeout_s = parts.seconds("timeout", TIMEOUT_S)
        name = parts.parameters.get("collection") or "Microgate"
        if not _NAME.fullmatch(name):
            raise ValueError("collection is a name of letters and digits that begins with a capital letter")
        grpc_port = parts.parameters.get("grpc") or str(GRPC_PORT)
        if not grpc_port.isdecimal() or not 0 < int(grpc_port) < 65536:
            raise ValueError("grpc is the number of a port")
        if parts.name:
            raise ValueError("the URL of Weaviate has no path: collection=NAME names one")
        self._collection = f"{name}D{dimensions}"
        secure = parts.scheme == "weaviates"
        self._client = weaviate.WeaviateClient(
            connection_params=ConnectionParams.from_params(
                parts.host, parts.port, secure, parts.host, int(grpc_port), secure
            ),
            auth_client_secret=Auth.api_key(parts.password) if parts.password else None,
            additional_config=AdditionalConfig(
                timeout=Timeout(init=self._timeout_s, query=self._timeout_s, insert=WRITE_S),
                connection=ConnectionConfig(session_pool_max_retries=0),
                grpc_config=GrpcConfig(channel_options=[("grpc.service_config", _WAIT_FOR_READY)]),
            ),
            # Among which is a look at PyPI.
            skip_init_checks=True,
        )
        self._breaker = Breaker("Weaviate")
        self._lock = threading.Lock()
        self._ready = False

    # -- the server

    def _ask(self, seconds: float, work: Callable[[Collection[Any, Any]], Result]) -> Result:
        """What ``work`` makes of the collection. Raises StoreUnavailable."""
        self._breaker.admit()
        try:
            result = within(seconds, lambda: work(self._ensured()))
        except TimeoutError as error:
            self._fail("it does not answer in time", error)
        except AuthenticationFailedError as error:
            self._fail("it refuses the key", error)
        except UnexpectedStatusCodeError as error:
            if error.status_code in (401, 403):
                self._fail("it refuses the key", error)
            self._refused(error)
        except WeaviateBaseError as error:
            # The client's own words name the host; those of the server may repeat what was stored.
            if "Deadline Exceeded" in str(error):
                self._fail("it does not answer in time", error)
            if _cannot_connect(error):
                self._fail("not reachable", error)
            self._refused(error)
        except (OSError, ValueError) as error:
            self._fail(f"not reachable ({type(error).__name__})", error)
        self._breaker.worked()
        return result

    def _fail(self, problem: str, error: Exception) -> NoReturn:
        self._breaker.failed(problem)
        raise StoreUnavailable(f"Weaviate: {problem}") from error

    def _refused(self, error: Exception) -> NoReturn:
        self._breaker.worked()
        # Perhaps somebody has removed the collection.
        self._ready = False
        raise StoreUnavailable(f"Weaviate: it refuses ({type(error).__name__})") from error

    def _ensured(self) -> Collection[Any, Any]:
        if not self._ready:
            with self._lock:
                if not self._client.is_connected():
                    self._client.connect()
                if not self._ready:
                    self._create()
                    self._ready = True
        return self._client.collections.get(self._collection)

    def _create(self) -> None:
        if self._client.collections.exists(self._collection):
            return
        try:
            self._client.collections.create(
                self._collection,
                properties=[
                    # As text: its whole numbers go through floats, which are exact up to 53 bits only.
                    Property(
                        name="scope",
                        data_type=DataType.TEXT,
                        tokenization=Tokenization.FIELD,
                        index_filterable=True,
                        index_searchable=False,
                    ),
                    Property(name="expires_ms", data_type=DataType.INT, index_range_filters=True),
                ],
                vector_config=Configure.Vectors.self_provided(
                    vector_index_config=Configure.VectorIndex.hnsw(distance_metric=VectorDistances.COSINE)
                ),
            )
        except UnexpectedStatusCodeError:
            # Another gateway was faster.
            if not self._client.collections.exists(self._collection):
                raise

    def _now_ms(self) -> int:
        return self._clock() // 1_000_000

    # -- VectorStore

    def put(self, vectors: Vectors) -> None:
        for _, _, vector, _ in vectors:
            check(vector, self.dimensions)
        # Of equal keys the last counts.
        rows = iter({key: (scope, vector, expires_ns) for scope, key, vector, expires_ns in vectors}.items())
        while some := list(islice(rows, AT_ONCE)):
            objects = [
                DataObject(
                    properties={"scope": str(scope), "expires_ms": expires_ns // 1_000_000},
                    uuid=UUID(int=_OURS | key),
                    vector=array("f", vector).tolist(),
                )
                for key, (scope, vector, expires_ns) in some
            ]
            done = self._ask(WRITE_S, lambda found, objects=objects: found.data.insert_many(objects))  # type: ignore[misc]
            if done.has_errors:
                self._ready = False
                raise StoreUnavailable(f"Weaviate: it did not take {len(done.errors)} of {len(objects)} vectors")

    def nearest(self, scope: int, vector: bytes, most: int) -> list[tuple[int, float]]:
        check(vector, self.dimensions)
        own = Filter.by_property("scope").equal(str(scope))
        alive = Filter.by_property("expires_ms").greater_than(self._now_ms())
        reply = self._ask(
            self._timeout_s,
            lambda found: found.query.near_vector(
                near_vector=array("f", vector).tolist(),
                limit=most,
                filters=own & alive,
                return_metadata=MetadataQuery(distance=True),
                return_properties=[],
            ),
        )
        return [(each.uuid.int & _KEY, 1.0 - (each.metadata.distance or 0.0)) for each in reply.objects]

    def remove(self, keys: Iterable[int]) -> int:
        names, removed = iter(keys), 0
        while some := [UUID(int=_OURS | key) for key in islice(names, AT_ONCE)]:
            these = Filter.by_id().contains_any(some)
            # What is over is nobody's any more, and goes with ``maintain``.
            alive = Filter.by_property("expires_ms").greater_than(self._now_ms())
            removed += self._delete(these & alive)
        return removed

    def _delete(self, where: Any) -> int:
        return int(self._ask(WRITE_S, lambda found: found.data.delete_many(where=where)).successful)

    def clear(self) -> None:
        def drop(found: Collection[Any, Any]) -> None:
            self._ready = False
            self._client.collections.delete(found.name)

        self._ask(WRITE_S, drop)

    def maintain(self) -> None:
        """Forgets what is over, and of more than ``most`` those that end soonest."""
        over = Filter.by_property("expires_ms").less_or_equal(self._now_ms())
        while self._delete(over):
            pass
        count = self._count(WRITE_S)
        while count > self.most:
            surplus = min(count - self.most, AT_ONCE)
            soonest = self._ask(
                WRITE_S,
                lambda found, surplus=surplus: found.query.fetch_objects(  # type: ignore[misc]
                    limit=surplus, sort=Sort.by_property("expires_ms"), return_properties=[]
                ),
            )
            gone = self._delete(Filter.by_id().contains_any([each.uuid for each in soonest.objects]))
            if not gone:
                return
            count -= gone

    def _count(self, seconds: float) -> int:
        return self._ask(seconds, lambda found: found.aggregate.over_all(total_count=True)).total_count or 0

    def status(self) -> StoreStatus:
        try:
            entries = self._count(self._timeout_s)
        except StoreUnavailable as error:
            return StoreStatus(False, str(error))
        return StoreStatus(True, entries=entries)

    def close(self) -> None:
        self._client.close()


def _cannot_connect(error: BaseException | None) -> bool:
    """Whether a connection could not be made or was cut, which the client tells as errors of many kinds."""
    while error is not None:
        if isinstance(error, OSError) or "Connect" in type(error).__name__ or "UNAVAILABLE" in str(error):
            return True
        if "StartUp" in type(error).__name__:
            return True
        error = error.__cause__ or error.__context__
    return False
