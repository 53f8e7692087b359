"""Rows of the hostile corpora, with their bytes decoded."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from tests.live.wire import KEY

Row = dict[str, Any]


def read(*files: Path) -> list[Row]:
    """All rows; ``raw`` holds the bytes of ``raw_base64``."""
    rows: list[Row] = []
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if "raw_base64" in row:
                # The rows' own key is shorter than any that configuration accepts; no row depends on its length.
                row["raw"] = base64.b64decode(row["raw_base64"]).replace(
                    b"Bearer sk-test\r", f"Bearer {KEY}\r".encode()
                )
            rows.append(row)
    return rows
