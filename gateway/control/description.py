"""The OpenAPI document of the admin API: what the framework derives from the handlers, and what it cannot know.

Handlers take every kind of entity with an open ``spec``, whose mistakes are then explained in the words of the
configuration. Here each kind has its own types, made from those that read the file, so that a client made from the
document is typed. Errors have the one form that ``errors.py`` gives them, and changes their ``If-Match``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin

from gateway.config.jsonschema import custom
from gateway.config.names import NAME_PATTERN
from gateway.control.entity_kinds import KINDS, PRICE, PROVIDER, ROUTE, SETTINGS, VIRTUAL_KEY, Kind
from gateway.control.permissions import PERMISSIONS
from gateway.control.provider_keys import KEY_SPEC

REF = "#/components/schemas/{name}"
ETAG_SCHEMA = {"type": "string", "pattern": r'^"[0-9]{1,15}"$'}
GENERAL = {"New{}": "NewEntity", "{}Change": "EntityChange", "{}Entity": "Shown", "{}Page": "Page"}
"""Names of the types of a kind -> the type of every kind that the handlers know."""
OF_KEYS = ("NewProviderKey", "ProviderKeyChange", "ProviderKeyShown")
MEANINGS = {
    400: "It cannot be used; the message says why.",
    401: "Nobody is logged in.",
    403: "The role is not enough, or the configuration file has it.",
    404: "There is no such thing here.",
    409: "The name is taken.",
    412: "Somebody else was quicker; ETag has the version there is.",
    413: "The body is larger than server.limits allows.",
    414: "Path and query are longer than server.limits allows.",
    415: "Not JSON.",
    421: "It was asked under a name that is not this gateway's.",
    428: "If-Match is missing.",
    429: "Too many attempts; Retry-After says when.",
    431: "The head is larger than server.limits allows.",
    503: "The database, the master key, the cache or a processor is not to be had now.",
}
ANSWERED_WITHOUT_VERSION = ("/api/tokens/{token_id}",)
"""Changes that ask for no ``If-Match``."""
ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
                "request_id": {"type": "string"},
            },
            "required": ["message", "type", "param", "code"],
        }
    },
    "required": ["error"],
}
DOCUMENT = {
    "required": True,
    "content": {
        f"application/{language}": {"schema": {"type": "string"} if language == "toml" else {}}
        for language in ("json", "yaml", "toml")
    },
}
"""What /api/config/check takes."""

FILES = {"text/csv": {"schema": {"type": "string"}}, "application/jsonl": {"schema": {"type": "string"}}}
"""What /api/logs/export answers with."""

Document = dict[str, Any]


class Rendered(JsonRenderPlugin):
    """Answers with the described document."""

    def __init__(self, *, path: str) -> None:
        super().__init__(path=path)
        self._described: Document | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: Document) -> bytes:
        if self._described is None:
            self._described = described(openapi_schema)
        return self.render_json(request, self._described)


def described(document: Document) -> Document:
    """The document, completed; the one that was given stays as it is."""
    document = copy.deepcopy(document)
    schemas: Document = document["components"]["schemas"]
    _, types = msgspec.json.schema_components(
        [*(kind.spec for kind in (*KINDS.values(), *SETTINGS.values())), KEY_SPEC],
        schema_hook=custom,
        ref_template=REF,
    )
    if both := types.keys() & schemas.keys():
        raise ValueError(f"two types are called {', '.join(sorted(both))}")
    for kind in KINDS.values():
        _of_kind(kind, schemas, document["paths"])
    for group, kind in SETTINGS.items():
        _of_settings(f"/api/settings/{group}", kind, schemas, document["paths"])
    groups = [_ref(f"{kind.spec.__name__}Shown") for kind in SETTINGS.values()]
    schemas["SettingsList"]["properties"]["entries"]["items"] = {"oneOf": groups}
    for name in OF_KEYS:
        schemas[name]["properties"]["spec"] = _ref(KEY_SPEC.__name__)
    schemas["ProviderTrial"]["properties"]["spec"] = _ref(PROVIDER.spec.__name__)
    schemas["RouteQuestion"]["properties"]["route"] = {"oneOf": [_ref(ROUTE.spec.__name__), {"type": "null"}]}
    for name in (*GENERAL.values(), "SettingsChange", "SettingsShown"):
        del schemas[name]
    schemas.update(types)
    schemas["Error"] = ERROR
    document["paths"]["/api/config/check"]["post"]["requestBody"] = DOCUMENT
    # The text of a document, and not a document that is text.
    document["paths"]["/api/export"]["get"]["responses"]["200"]["content"] = {"application/yaml": {"schema": {}}}
    document["paths"]["/api/logs/export"]["get"]["responses"]["200"]["content"] = FILES
    for path, method, operation in _operations(document["paths"]):
        _answers(path, method, operation)
    return document


def _of_kind(kind: Kind, schemas: Document, paths: Document) -> None:
    name = kind.spec.__name__
    names = {old: new.format(name) for new, old in GENERAL.items()}
    for old, new in names.items():
        made = copy.deepcopy(schemas[old])
        made["title"] = new
        members = made["properties"]
        if "spec" in members:
            members["spec"] = _ref(name) if old != "Shown" else {"oneOf": [_ref(name), {"type": "null"}]}
        if kind is not PROVIDER:
            members.pop("allow_private", None)
        if kind is not VIRTUAL_KEY:
            members.pop("key", None)
            members.pop("shown", None)
        if old == "NewEntity" and kind not in (ROUTE, PRICE):
            members["name"] = {"type": "string", "pattern": NAME_PATTERN}
        if old == "Page":
            members["entries"]["items"] = _ref(names["Shown"])
        schemas[new] = made
    for path in (path for path in paths if path == f"/api/{kind.path}" or path.startswith(f"/api/{kind.path}/")):
        _rename(paths[path], names)


def _of_settings(path: str, kind: Kind, schemas: Document, paths: Document) -> None:
    name = kind.spec.__name__
    change, shown = (copy.deepcopy(schemas[old]) for old in ("SettingsChange", "SettingsShown"))
    change["title"], shown["title"] = f"{name}Change", f"{name}Shown"
    change["properties"]["spec"] = _ref(name)
    shown["properties"]["name"] = {"const": path.rpartition("/")[2]}
    shown["properties"]["spec"] = {"oneOf": [_ref(name), {"type": "null"}]}
    shown["properties"]["file"] = shown["properties"]["in_force"] = _ref(name)
    schemas[change["title"]], schemas[shown["title"]] = change, shown
    _rename(paths[path], {"SettingsChange": change["title"], "SettingsShown": shown["title"]})


def _answers(path: str, method: str, operation: Document) -> None:
    """Errors, ``If-Match``, ETags and who may do without a credential."""
    statuses = {401, 403, 414, 421, 431, 503}
    parameters = operation.setdefault("parameters", [])
    changes = method in ("put", "patch", "delete") or path.endswith("/renew")
    if parameters or method != "get":
        statuses.add(400)
    if "requestBody" in operation or method == "post":
        statuses |= {413, 415}
    if "{" in path:
        statuses.add(404)
    if changes and path not in ANSWERED_WITHOUT_VERSION:
        statuses |= {400, 412, 428}
        parameters.append({"name": "If-Match", "in": "header", "required": True, "schema": ETAG_SCHEMA})
        if path.startswith("/api/settings/") and method == "delete":
            statuses.add(404)
    if "requestBody" in operation and method in ("post", "put", "patch"):
        statuses.add(409)
    if PERMISSIONS[path][method.upper()] is None:
        operation["security"] = []
        statuses.add(429)
    for status in sorted(statuses):
        operation["responses"][str(status)] = {
            "description": MEANINGS[status],
            "content": {"application/json": {"schema": _ref("Error")}},
        }


def _operations(paths: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield path, method, operation


def _ref(name: str) -> dict[str, str]:
    return {"$ref": REF.format(name=name)}


def _rename(value: Any, names: Mapping[str, str]) -> None:
    """Every reference in ``value`` to a type of the old name, to that of the new one."""
    if isinstance(value, dict):
        old = str(value.get("$ref", "")).rpartition("/")[2]
        if old in names:
            value["$ref"] = REF.format(name=names[old])
        for member in value.values():
            _rename(member, names)
    elif isinstance(value, list):
        for member in value:
            _rename(member, names)
