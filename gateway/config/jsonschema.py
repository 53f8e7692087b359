"""The configuration's JSON Schema (draft 2020-12), made from the same types that read the file."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from gateway.config.references import FilePath, Secret, SecretDocument, Text
from gateway.config.schema import Config
from gateway.config.units import (
    CALENDAR,
    DURATION_PATTERN,
    MONEY_PATTERN,
    MOST_BYTES,
    MOST_SECONDS,
    SIZE_PATTERN,
    USD_PATTERN,
    Duration,
    Money,
    Period,
    Size,
    Usd,
)

SCHEMA_ID = "urn:microgate:config"


def schema() -> dict[str, Any]:
    """As plain values, ready for ``json.dumps``."""
    made = msgspec.json.schema(Config, schema_hook=custom)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **made}


def schema_text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False)


def custom(kind: type) -> dict[str, Any]:
    """The schema of a type of the configuration that is none of Python's own."""
    if kind is Duration:
        return {
            "oneOf": [
                {"type": "number", "minimum": 0, "maximum": MOST_SECONDS},
                {"type": "string", "pattern": DURATION_PATTERN},
            ],
            "examples": ["250ms", "30s", "5m"],
        }
    if kind is Size:
        return {
            "oneOf": [
                {"type": "integer", "minimum": 0, "maximum": MOST_BYTES},
                {"type": "string", "pattern": SIZE_PATTERN},
            ],
            "examples": ["64KiB", "32MiB"],
        }
    if kind is Usd:
        return {
            "oneOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": USD_PATTERN}],
            "examples": [0.075, "2.50"],
        }
    if kind is Period:
        return {
            "oneOf": [
                {"type": "number", "minimum": 0, "maximum": MOST_SECONDS},
                {"type": "string", "pattern": DURATION_PATTERN},
                {"enum": list(CALENDAR)},
            ],
            "examples": ["1m", "30d", "day", "month"],
        }
    if kind is Money:
        return {
            "oneOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": MONEY_PATTERN}],
            "examples": [100, "12.50"],
        }
    if kind is Secret:
        return {"type": "string", "examples": ["env.API_KEY", "file.secrets/key"]}
    if kind is SecretDocument:
        return {"type": "string", "examples": ["file.service-account.json", "env.SERVICE_ACCOUNT"]}
    if kind is Text or kind is FilePath:
        return {"type": "string"}
    raise NotImplementedError(kind)
