"""Stores and embedders of a cache that the API may name."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.control.entity_kinds import SETTINGS
from gateway.control.store_choice import unfit
from gateway.secrets.bodies import converted

PUBLIC = "rediss://user:pa%40ss@cache.example.com:6380/0?prefix=a&timeout=0.5"
LAN = "redis://10.0.0.5"


def cache(store: str | None = None, semantic: str | None = None, embedder: str = "p/e") -> Any:
    given: dict[str, Any] = {} if store is None else {"store": store}
    if semantic is not None or embedder != "p/e":
        given["semantic"] = {"embedder": embedder} | ({} if semantic is None else {"store": semantic})
    return converted(given, SETTINGS["cache"].spec)


@pytest.mark.parametrize(
    "store", [PUBLIC, "weaviates://:key@cluster.weaviate.cloud", "pgvector://u:p@db.example.com/x?sslmode=verify-full"]
)
def test_a_public_server_over_tls_needs_no_confirmation(store: str) -> None:
    assert unfit(cache(store), None, allow_private=False) == ""
    assert unfit(cache(semantic=store), None, allow_private=False) == ""


@pytest.mark.parametrize(
    "store",
    [LAN, "redis://cache.example.com", "rediss://localhost", "pgvector://u@db.example.com/x", "weaviate://[::1]:1"],
)
def test_others_are_confirmed_once(store: str) -> None:
    why = unfit(cache(semantic=store), None, allow_private=False)
    assert why.startswith("semantic.store: ")
    assert why.endswith("; send allow_private: true if it is meant")
    assert unfit(cache(semantic=store), None, allow_private=True) == ""
    assert unfit(cache(semantic=store), cache(semantic=store), allow_private=False) == ""
    # In another place it is another store.
    assert unfit(cache(store), cache(semantic=store), allow_private=False) != ""


@pytest.mark.parametrize(
    "store",
    [
        "redis://169.254.169.254",
        "redis://metadata.google.internal",
        "rediss://h.example?ca=/etc/passwd",
        "pgvector://h.example/x?sslmode=verify-full&sslrootcert=/x",
        "pgvector://h.example/x?host=/tmp",
        "pgvector://a@10.0.0.1,b@h.example/x",
        "pgvector://%2Ftmp/x",
        "pgvector:///x",
        "hnswlib:///tmp/x",
        "hnswlib:/tmp/x",
        "lmdb:///tmp/x",
        "sqlite:////tmp/x",
        "redis://canary-pw@h.example/a b",
        "redis://0x7f.1",
        "pgvector://h.example/x?sslmode=disable#&sslmode=require",
    ],
)
def test_no_confirmation_names_a_file_or_what_is_never_reached(store: str) -> None:
    for known in (None, cache(store)):
        why = unfit(cache(store), known, allow_private=True)
        assert why.startswith("store: ")
        assert "canary" not in why


def test_an_index_of_this_host_lies_beside_the_others() -> None:
    assert unfit(cache(semantic="hnswlib:"), None, allow_private=False) == ""


@pytest.mark.parametrize(
    ("embedder", "fits"),
    [
        ("local:MiniLM-L6.v2", True),
        ("local:/srv/model", False),
        ("local:../x", False),
        ("local:a/b", False),
        ("local:..", False),
        ("local:", False),
        ("a-route", True),
    ],
)
def test_a_model_directory_is_named_not_led_to(embedder: str, fits: bool) -> None:
    assert (unfit(cache(embedder=embedder), None, allow_private=True) == "") is fits
