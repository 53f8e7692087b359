"""Renders docs/errors.md from the table of refusals: ``python docs/render_errors.py > docs/errors.md``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import get_args

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from providers.dialects import load
from providers.neutral import STATUS, Fault, FaultKind
from providers.refusals import RULES, SERVER_TROUBLE, Rule, Verdict

DIALECTS = ("openai_chat", "anthropic", "gemini", "bedrock", "cohere")
"""OpenAI's three share one form, Ollama's and Cohere's say no more than the message."""
WORDS = {
    Verdict.CALLER: "the caller's: told, never asked again",
    Verdict.RETRY: "asked again, with any key",
    Verdict.ROTATE_KEY: "asked with another key; this one rests as long as the provider says",
    Verdict.DISABLE_KEY: "asked with another key; this one rests for five minutes, and the log says so",
}
INTRODUCTION = """\
# What do errors of providers mean, and what does the caller see?

A provider's error is judged by the first row that fits: by its status, and by words in the first 16 KiB of its body
where one status means several things. That decides whether the request is asked again, and with which key.
`retry.statuses` can narrow what is asked again. This page is rendered from `providers/refusals.py` by
`docs/render_errors.py`.

| status | words | what follows | reason in the log | wait | who | evidence | why |
|---|---|---|---|---|---|---|---|
"""
AFTER = """
* A wait is `Retry-After` in seconds, or, where the row says `text`, what the message says ("try again in 9m38.016s").
  It is capped at a day, and a key rests for ten minutes at most before it is tried once more.
* With one key only, nothing rests: there is nothing better to ask.
* An error in place of a stream's first event is an attempt that failed, whatever status the stream began with. Behind
  the first event it ends the stream with an error event; a stream that was cut is never ended as if it were whole.
* An answer that is HTML, or no JSON where JSON was asked for, is never passed on.

## In the caller's dialect

Callers of the provider's own dialect get its answer byte for byte. Others get its status and message in their own form,
with the wait as `Retry-After`, for Google's SDKs as `RetryInfo` too, for AWS's with the class in `x-amzn-errortype`.
Names of accounts and parts of keys in messages (`org-...`, `sk-...`) are left out. Where a provider has no word of its
own for it, callers see these:

"""


def words(rule: Rule) -> str:
    said = f"`{rule.said}`".replace("|", r"\\|") if rule.said else ""
    return said + (f", not `{rule.unless}`".replace("|", r"\\|") if rule.unless else "")


def statuses(rule: Rule) -> str:
    if rule is SERVER_TROUBLE:
        return "500 and more"
    return ", ".join(map(str, rule.statuses)) or "any other"


def seen(kind: FaultKind, dialect: str) -> str:
    error = load(dialect).encode_fault(Fault(kind, "..."))
    value = json.loads(error.body)
    inner = value.get("error")
    if dialect == "bedrock":
        word = dict(error.headers)["x-amzn-errortype"]
    elif dialect == "gemini":
        word = inner["status"]
    elif dialect == "cohere":
        word = ""
    else:
        word = inner["type"] + (f", `{inner['code']}`" if inner.get("code") else "")
    return f"{error.status}" + (f" `{word}`".replace(", `", "`, `").replace("``", "`") if word else "")


def page() -> str:
    out = [INTRODUCTION.rstrip("\n")]
    for rule in RULES:
        cells = (
            statuses(rule), words(rule), WORDS[rule.verdict], f"`{rule.reason}`", rule.waits, rule.who, rule.evidence,
            rule.why,
        )  # fmt: skip
        out.append("| " + " | ".join(cells) + " |")
    out.append(AFTER.rstrip("\n"))
    out.append("\n| kind | " + " | ".join(f"`{name}`" for name in DIALECTS) + " |")
    out.append("|---|" + "---|" * len(DIALECTS))
    assert set(get_args(FaultKind)) == set(STATUS)
    kinds = get_args(FaultKind)
    out += [f"| {kind} | " + " | ".join(seen(kind, name) for name in DIALECTS) + " |" for kind in kinds]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
