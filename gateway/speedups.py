"""The compiled parts, for programs of your own: scanning, key choice, limits shared by processes.

These names and what their docstrings say are kept from release to release; everything else in ``_speedups`` may change.
They work without a gateway, import the standard library only, and are compiled or pure as ``IMPLEMENTATION`` says.
docs/embedding.md shows each of them at work.

=====================================================  ==============================================================
``JsonScan``, ``validate``                             one strict pass over a JSON body: the few fields that routing
                                                       needs, with their offsets
``UsageScan``, ``StreamScan``                          token counts out of an answer or an event stream as it goes by
``CHAT``, ``RESPONSES``, ``TYPED``, ``RAW``            kinds of event streams
``CLEAN``, ``TRUNCATED``, ``FAILED``                   how an event stream ended
``HeadScan``, ``HeaderFilter``                         fields of an HTTP head; copies of it by allow-list or drop-list
``scan_multipart``, ``boundary_of``                    fields of a multipart body
``KeySet``, ``seed``, ``MAX_KEYS``                     weighted choice with cool-down
``Arena``, ``ArenaWorker``, ``LimitSet``               limits that many processes share exactly
``WINDOW``, ``ROLLING``, ``GCRA``, ``GAUGE``,          kinds of limits
``MONEY``, ``HEALTH``
``REQUESTS``, ``TOKENS``, ``INPUT_TOKENS``,            what a limit counts
``OUTPUT_TOKENS``, ``USD``
``IndexWriter``, ``IndexReader``                       nearest vectors in a mapped file: one writer, many processes read
``Canonical``                                          one digest for all spellings of a JSON body
=====================================================  ==============================================================
"""

from _speedups import IMPLEMENTATION, WHY
from _speedups._bucket import (
    GAUGE,
    GCRA,
    HEALTH,
    INPUT_TOKENS,
    MAX_LIMITS,
    MONEY,
    OUTPUT_TOKENS,
    REQUESTS,
    ROLLING,
    TOKENS,
    USD,
    WINDOW,
    Arena,
    ArenaWorker,
    LimitSet,
)
from _speedups._canonical import Canonical
from _speedups._hnsw import IndexReader, IndexWriter
from _speedups._keys import MAX_KEYS, KeySet, seed
from _speedups._scan import (
    ABSENT,
    CHAT,
    CLEAN,
    FAILED,
    RAW,
    RESPONSES,
    TRUNCATED,
    TYPED,
    HeaderFilter,
    HeadScan,
    JsonScan,
    StreamScan,
    UsageScan,
    boundary_of,
    scan_multipart,
    validate,
)

__all__ = [
    "ABSENT",
    "CHAT",
    "CLEAN",
    "FAILED",
    "GAUGE",
    "GCRA",
    "HEALTH",
    "IMPLEMENTATION",
    "INPUT_TOKENS",
    "MAX_KEYS",
    "MAX_LIMITS",
    "MONEY",
    "OUTPUT_TOKENS",
    "RAW",
    "REQUESTS",
    "RESPONSES",
    "ROLLING",
    "TOKENS",
    "TRUNCATED",
    "TYPED",
    "USD",
    "WHY",
    "WINDOW",
    "Arena",
    "ArenaWorker",
    "Canonical",
    "HeadScan",
    "HeaderFilter",
    "IndexReader",
    "IndexWriter",
    "JsonScan",
    "KeySet",
    "LimitSet",
    "StreamScan",
    "UsageScan",
    "boundary_of",
    "scan_multipart",
    "seed",
    "validate",
]
