"""Renders gateway/control/ui/openapi.json, of which the web interface's client is made: ``make ui-client``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import gateway
from gateway.control.app import create_app
from gateway.control.description import described
from gateway.control.state import ControlState


def render() -> str:
    """The description of /api, as GET /api/schema/openapi.json answers it."""
    # What is described is known of the handlers alone: nobody asks the state.
    document: dict[str, Any] = described(create_app(cast("ControlState", None)).openapi_schema.to_schema())
    document["info"]["version"] = gateway.__version__.partition("+")[0]
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
