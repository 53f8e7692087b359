"""Files of other gateways as plain values."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path as FilePath
from typing import Any

import yaml

MAX_BYTES = 16 << 20
MAX_INCLUDED = 100


class Unreadable(Exception):
    """A source that is no such file; the text is for the operator."""


def text_of(file: str) -> str:
    """What is in a file. Raises Unreadable."""
    try:
        with open(file, "rb") as opened:
            data = opened.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise Unreadable(f"{file} is larger than {MAX_BYTES} bytes")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise Unreadable(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{file} is not UTF-8 text") from None


def document(file: str) -> dict[str, Any]:
    """A mapping out of YAML or JSON. Raises Unreadable."""
    try:
        found = yaml.load(text_of(file), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
        raise Unreadable(f"{file}{place} is not YAML: {getattr(error, 'problem', error)}") from None
    except (RecursionError, ValueError) as error:
        raise Unreadable(f"{file} is not YAML: {type(error).__name__}") from None
    if not isinstance(found, dict) or not _plain(found):
        raise Unreadable(f"{file} has no mapping of settings at its top")
    return found


def with_included(file: str) -> tuple[dict[str, Any], list[str]]:
    """The same with what ``include`` names: lists are put behind each other, everything else is replaced, as LiteLLM
    does. Returns also the names that were included."""
    found = document(file)
    names = found.get("include", [])
    names = names if isinstance(names, list) else [names]
    if len(names) > MAX_INCLUDED:
        raise Unreadable(f"{file} includes more than {MAX_INCLUDED} files")
    for name in names:
        for section, value in document(os.path.join(os.path.dirname(file), str(name))).items():
            if isinstance(value, list) and isinstance(found.get(section), list):
                found[section] = [*found[section], *value]
            else:
                found[section] = value
    return found, [str(name) for name in names]


def table(file: str) -> list[dict[str, Any]]:
    """The rows of a CSV file with a heading, a JSON list, JSON lines, or ``{"keys": [...]}``. Raises Unreadable."""
    text = text_of(file)
    if FilePath(file).suffix.lower() == ".csv":
        rows: Any = [{name: value for name, value in row.items() if value} for row in csv.DictReader(io.StringIO(text))]
    else:
        try:
            rows = json.loads(text)
        except RecursionError:
            raise Unreadable(f"{file} is nested too deeply") from None
        except ValueError:
            try:
                rows = [json.loads(line) for line in text.splitlines() if line.strip()]
            except (ValueError, RecursionError):
                raise Unreadable(f"{file} is neither CSV nor JSON") from None
        if isinstance(rows, dict):
            rows = rows.get("keys", [rows])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unreadable(f"{file} has no rows of keys")
    return rows


def _plain(value: Any, depth: int = 0) -> bool:
    """Whether it nests no deeper than configurations do; what refers to itself does."""
    if depth > 32:
        return False
    if isinstance(value, dict):
        return all(_plain(member, depth + 1) for member in value.values())
    if isinstance(value, list):
        return all(_plain(member, depth + 1) for member in value)
    return True
