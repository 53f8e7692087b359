"""Renders docs/providers.md from the tables of providers: ``python docs/render_providers.py > docs/providers.md``.

How many recorded exchanges agree is counted where the recordings are (``python -m tests.corpus.agreement``) and kept in
docs/recorded_exchanges.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from providers.natives import AT_VENDOR, NATIVES, OF_VENDOR, Native
from providers.vendors import PATHS, VENDORS, Vendor

RECORDED: dict[str, dict[str, dict[str, int]]] = json.loads(
    Path(__file__).with_name("recorded_exchanges.json").read_text()
)

SHORT = {
    "chat": "chat",
    "completions": "text",
    "responses": "resp.",
    "response_object": "stored resp.",
    "embeddings": "embed",
    "rerank": "rerank",
    "moderations": "moder.",
    "speech": "speech",
    "transcription": "transcr.",
    "translation": "transl.",
    "image_generation": "image",
    "image_edit": "im. edit",
    "image_variation": "im. var.",
    "realtime": "realtime",
    "files": "files",
    "batches": "batches",
    "count_tokens": "count",
    "ocr": "ocr",
    "videos": "videos",
    "models": "models",
    "passthrough": "pass",
}
"""Operation -> heading of its column."""

INTRODUCTION = """\
# Which providers are there, and what does each of them offer?

A provider whose name is in the first column needs no more than a key. A word in braces has to be filled in, under
`address` or by writing the whole `base_url`. Everything can be overridden: [configuration.md](configuration.md). Any
other service that speaks one of the dialects is a provider with a name of your own, a `dialect` and a `base_url`.

```yaml
providers:
  groq:
    keys: [{name: main, value: env.GROQ_API_KEY}]
  azure:
    address: {resource: my-resource}
    keys: [{name: main, value: env.AZURE_KEY}]
  house:
    dialect: openai_chat
    base_url: http://127.0.0.1:9001/v1
```

How far a row can be trusted stands under **evidence**:

* `recorded`: real exchanges with the provider, recorded and published by others, have good answers at the place that
  the row names. The figure says how many; one is weak evidence, and that is why it is given.
* `sdk`: taken from the vendor's own client or its published example.
* `docs`: taken from documentation alone.

Callers may speak another dialect than the provider: [dialects.md](dialects.md). What is known of the models:
[models.md](models.md). Azure, Vertex AI and Bedrock know credentials that are no plain key:
[credentials.md](credentials.md).

This page is rendered from `providers/vendors.py`, `providers/natives.py` and `docs/recorded_exchanges.json` by
`docs/render_providers.py`.
"""

OFFER = """
## What they offer

`yes` is what the row says; a number is how many recorded exchanges have a good answer to it. A caller who asks for one
of {translated} gets it from every provider that has another of them, translated. Anything
else that is not here is answered with 400 `unsupported_operation`, and the message says what the provider does offer.
"""

THROUGH = """
Only passed through, in their own form and with their own client, are {names}: a
request to `/passthrough/PROVIDER/...` is authorised, limited, logged and sent with the provider's credential, and
nothing of it is translated ([api.md](api.md)). What they keep in the account (predictions, tasks, projects, ...) needs
a virtual key with `stateful`.
"""

NATIVE = """
## Other dialects than OpenAI's

These vendors are spoken to in a dialect of their own unless `base_url` or `dialect` says otherwise:
{own}.
What the table above says of them holds for their OpenAI-compatible endpoint. For another provider write
`dialect: NAME`; it then has these defaults:
"""

ELSEWHERE = """
## Other vendors' dialects

These vendors speak another's dialect at addresses of their own; name both `vendor` and `dialect`:
"""

STREAMS = {
    "ask": "when asked; the gateway asks",
    "always": "always",
    "never": "never",
}
TRANSLATED = ("chat", "completions", "responses")
"""Asked for one of these, a provider that has only another of them is asked for that one."""


def credential(row: Vendor | Native, keyless: bool = False) -> str:
    field = row.auth_header if row.auth_header != "authorization" else "Authorization"
    told = f"`{field}: {row.auth_scheme + ' ' if row.auth_scheme else ''}KEY`"
    return told + ", may be left out" if keyless else told


def evidence(row: Vendor) -> str:
    count = sum(RECORDED["vendors"].get(row.name, {}).values())
    return f"{row.evidence} ({count})" if count else row.evidence


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    headings = list(headings)
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def places() -> list[str]:
    rows = [
        (
            f"`{row.name}`",
            f"`{row.base_url}`".replace("|", r"\|") + (f" (query `{row.query}`)" if row.query else ""),
            credential(row, row.keyless),
            STREAMS[row.stream_usage] if {"chat", "completions"} & set(row.operations) else "",
            evidence(row),
            row.note,
        )
        for row in VENDORS.values()
    ]
    return table(("provider", "base URL", "credential", "usage in streams", "evidence", "note"), rows)


def capabilities() -> list[str]:
    def cell(row: Vendor, operation: str) -> str:
        if operation not in row.operations:
            return ""
        return str(RECORDED["vendors"].get(row.name, {}).get(operation, "yes"))

    rows = [(f"`{row.name}`", *(cell(row, operation) for operation in SHORT)) for row in VENDORS.values()]
    return table(("provider", *SHORT.values()), rows)


def own_paths() -> list[str]:
    rows = [
        (f"`{row.name}`", f"`{operation}`", f"`{path}`")
        for row in VENDORS.values()
        for operation, path in row.paths.items()
    ]
    return table(("provider", "operation", "path"), rows)


def natives() -> list[str]:
    rows = [
        (
            f"`{name}`",
            f"`{row.base_url}`" if row.base_url else "yours",
            credential(row),
            ", ".join(f"`{operation}` `{path}`" if path else f"`{operation}`" for operation, path in row.paths.items()),
            ", ".join(f"`{field}: {value}`" for field, value in row.fields),
            str(sum(RECORDED["natives"].get(name, {}).values()) or ""),
        )
        for name, row in NATIVES.items()
    ]
    return table(("dialect", "base URL", "credential", "operations", "added fields", "recorded"), rows)


def elsewhere() -> list[str]:
    rows = [
        (f"`{vendor}`", f"`{dialect}`", f"`{row.base_url}`", f"`{row.paths['chat']}`")
        for (vendor, dialect), row in AT_VENDOR.items()
    ]
    return table(("vendor", "dialect", "base URL", "path of `chat`"), rows)


def page() -> str:
    assert SHORT.keys() == PATHS.keys(), "an operation without a column, or the other way about"
    through = [f"`{row.name}`" for row in VENDORS.values() if row.operations == ("passthrough",)]
    own = ", ".join(f"`{vendor}` (`{dialect}`)" for vendor, dialect in OF_VENDOR.items())
    translated = ", ".join(f"`{name}`" for name in TRANSLATED)
    common = [(f"`{op}`", f"`{path}`" if path else "the rest of the request's own") for op, path in PATHS.items()]
    out = [INTRODUCTION, "## Where they are\n", *places()]
    out += [OFFER.format(translated=translated), *capabilities(), THROUGH.format(names=", ".join(through))]
    out += ["## Paths\n\nOperations are at these paths behind the base URL,\n", *table(("operation", "path"), common)]
    out += ["\nbut at these providers:\n", *own_paths(), NATIVE.format(own=own), *natives(), ELSEWHERE, *elsewhere()]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
