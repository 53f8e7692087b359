"""An upstream that keeps files, batches and responses, one account a credential, as OpenAI does."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from email.parser import BytesParser
from typing import Any

from tests.live.upstreams import Received, Step, chunk, chunked_head, http

Objects = dict[str, Any]
CONTENT = b'{"id":"file-in-the-content","custom_id":"x"}\n'


class Keeper:
    """Ask it as a script of ``Upstream``; ids are unlike over accounts, and count up."""

    def __init__(self) -> None:
        self.accounts: defaultdict[str, Objects] = defaultdict(dict)
        self.made = 0

    def __call__(self, received: Received) -> list[Step]:
        objects = self.accounts[(received.header("authorization") or "").removeprefix("Bearer ")]
        path, _, query = received.target.removeprefix("/v1").partition("?")
        _, kind, name, below, *_ = (*path.split("/"), "", "", "")
        if received.method == "POST" and (not name or kind == "chat"):
            return self.create(kind, received, objects)
        if not name:
            kept = [o for o in objects.values() if o.get("object") == {"files": "file", "batches": "batch"}[kind]]
            page = {"object": "list", "data": kept, "first_id": "x", "query": query}
            return [http(json.dumps(page))]
        if name not in objects:
            return [http(json.dumps({"error": {"message": f"No such object: {name}", "param": "id"}}), 404)]
        if received.method == "DELETE":
            del objects[name]
            return [http(json.dumps({"id": name, "object": kind, "deleted": True}))]
        if below == "content":
            return [http(CONTENT, content_type="application/json")]
        if below == "input_items":
            items = [
                {"id": "msg_00aa11bb22cc33dd", "type": "message", "content": [{"text": '{"id": "msg_00aa11bb22"}'}]}
            ]
            page = {"object": "list", "data": items, "first_id": items[0]["id"], "query": query}
            return [chunked_head("application/json"), chunk(json.dumps(page).encode()), chunk(b"")]
        return [http(json.dumps({**objects[name], "status": below or "completed"}))]

    def create(self, kind: str, received: Received, objects: Objects) -> list[Step]:
        self.made += 1
        if kind == "files":
            head = b"content-type: " + (received.header("content-type") or "").encode() + b"\r\n\r\n"
            parts = BytesParser().parsebytes(head + received.body).get_payload()
            made = {"id": f"file-{self.made:024}", "object": "file", "bytes": len(parts), "purpose": "batch"}
            return self.keep(made, objects)
        body = received.json()
        wanted = re.findall(r"(?:file-\d{24}|resp_\d{48}|msg_\w+)", json.dumps({**body, "metadata": None}))
        for name in wanted:
            if name not in objects:
                return [http(json.dumps({"error": {"message": f"'{name}' not found"}}), 400)]
        if kind == "batches":
            made = {"id": f"batch_{self.made:032x}", "object": "batch", **body, "output_file_id": None}
            made["error_file_id"] = f"file-{self.made:024}"
            objects[made["error_file_id"]] = {"id": made["error_file_id"], "object": "file"}
            return self.keep(made, objects)
        if kind == "chat":
            return [http(json.dumps({"id": "chatcmpl-1", "object": "chat.completion", "choices": [], "asked": body}))]
        return self.respond(body, objects)

    def keep(self, made: Objects, objects: Objects) -> list[Step]:
        objects[made["id"]] = made
        return [http(json.dumps(made))]

    def respond(self, body: Objects, objects: Objects) -> list[Step]:
        item = {"id": f"msg_{self.made:048}", "type": "message", "role": "assistant", "content": []}
        made = {
            "id": f"resp_{self.made:048}",
            "object": "response",
            "status": "completed",
            "model": body["model"],
            "previous_response_id": body.get("previous_response_id"),
            "metadata": body.get("metadata") or {},
            "store": body.get("store", True),
            "output": [item],
            "usage": {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12},
        }
        if made["store"]:
            objects[made["id"]] = made
            objects[item["id"]] = item
        if not body.get("stream"):
            return [http(json.dumps(made))]
        events: list[Objects] = [
            {"type": "response.created", "response": {**made, "status": "in_progress", "output": []}},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            *({"type": "response.output_text.delta", "item_id": item["id"], "delta": t} for t in ("a", '"id": "b"')),
            {"type": "response.completed", "response": made},
        ]
        data = b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events)
        steps: list[Step] = [chunked_head()]
        for at in range(0, len(data), 37):
            steps += [chunk(data[at : at + 37]), 0.0]
        return [*steps, chunk(b"")]
