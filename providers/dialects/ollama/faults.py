"""Errors in Ollama's form: ``{"error": "..."}``, in answers and as a line of a stream."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from providers.dialects import openai_faults
from providers.dialects.base import WireError, wait_fields
from providers.neutral import STATUS, Fault


def decode(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """A provider's error answer."""
    return openai_faults.decode(status, headers, body)


def encode(fault: Fault) -> WireError:
    """An error as Ollama's clients raise it."""
    return WireError(fault.status or STATUS[fault.kind], orjson.dumps({"error": fault.message}), wait_fields(fault))
