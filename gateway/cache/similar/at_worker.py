"""A worker's look for similar questions, as configured."""

from __future__ import annotations

import os

from gateway.cache.answers import Answers
from gateway.cache.embedding.asked import AskedEmbedder
from gateway.cache.embedding.batching import Embedding
from gateway.cache.embedding.protocol import Embedder
from gateway.cache.embedding.provider import ProviderEmbedder
from gateway.cache.similar.indexes import Indexes
from gateway.cache.similar.lookup import Similar
from gateway.processes.paths import Paths
from gateway.snapshot.cache import LOCAL, Semantic


def open_similar(cache: Answers, settings: Semantic, paths: Paths) -> Similar:
    """Raises nothing: an index that is not there finds nothing."""
    core = cache.core
    embedder: Embedder
    if settings.embedder.startswith(LOCAL):
        embedder = AskedEmbedder(cache.asking, settings.embedder)
    else:
        embedder = ProviderEmbedder(core, settings.embedder)
    embedding = Embedding(core.loop, embedder, settings.embed_timeout)
    indexes = None if settings.store else Indexes(os.path.join(paths.cache_dir, "vectors"), settings)
    return Similar(cache, settings, embedding, indexes)
