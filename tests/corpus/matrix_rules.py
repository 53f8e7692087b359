"""What a caller's dialect has no place for: what is compared then, each rule counted where it was needed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tests.corpus.readout import Said

TEXT_ONLY = {"openai_completions"}
NO_CALL_IDS = {"ollama"}
NO_FILTER = {"ollama"}
FRESH_TOKENS = {"anthropic", "bedrock"}
"""They count cached tokens beside the others, not among them."""
NO_ERROR = {"anthropic", "gemini", "ollama", "openai_chat", "openai_completions", "openai_responses"}
USAGE = {
    "openai_chat": {"input", "output", "cached", "reasoning"},
    "openai_responses": {"input", "output", "cached", "reasoning"},
    "openai_completions": {"input", "output", "cached", "reasoning"},
    "anthropic": {"input", "output", "cached"},
    "gemini": {"input", "output", "cached", "reasoning"},
    "bedrock": {"input", "output", "cached"},
    "cohere": {"input", "output", "cached"},
    "ollama": {"input", "output"},
}
"""Counts that a dialect has a member for."""

RULES = {
    "thoughts": "Completions have no place for thoughts.",
    "calls": "Completions have no place for tool calls.",
    "ids": "Ollama's calls have no ids, nor have some recorded ones: names and arguments are compared.",
    "unsaid": "The recorded answer does not say how it ended; the caller is told `stop`, or that tools are called.",
    "filter": "Ollama has no word for an answer that was filtered; it is told as one that was neither whole nor cut.",
    "refusal": "OpenAI refuses in words of their own and ends with `stop`; elsewhere the reason of the end says it.",
    "error": "Most dialects have no word for an answer that the provider calls failed; none tells it as `stop`.",
    "cached": "The recorded answer counts more cached tokens than tokens; Anthropic and Bedrock count them apart.",
    "picture": "Anthropic's SDK has no type for a picture in an answer, and hands it out as the block that it is.",
}


def adapted(wanted: Said, found: Said, source: str, target: str, used: Counter[str]) -> tuple[Said, Said]:
    """Both as far as the caller's dialect can say it."""
    wanted, found = replace(wanted), replace(found)
    if target in TEXT_ONLY:
        if wanted.reasoning:
            used["thoughts"] += 1
            wanted.reasoning = ""
        if wanted.calls:
            used["calls"] += 1
            wanted.calls = []
            wanted.finish = "stop" if wanted.finish == "tool_calls" else wanted.finish
    if wanted.calls and (target in NO_CALL_IDS or any(not identity for identity, _, _ in wanted.calls)):
        used["ids"] += 1
        wanted.calls = [("", name, value) for _, name, value in wanted.calls]
        found.calls = [("", name, value) for _, name, value in found.calls]
    if not wanted.finish and found.finish in ("stop", "tool_calls"):
        used["unsaid"] += 1
        wanted.finish = found.finish
    if target in NO_FILTER and wanted.finish == "filter" and found.finish == "other":
        used["filter"] += 1
        wanted.finish = "other"
    if wanted.refused and wanted.finish == "stop" and found.finish == "filter":
        used["refusal"] += 1
        wanted.finish = "filter"
    if target in NO_ERROR and wanted.finish == "error" and found.finish != "stop":
        used["error"] += 1
        wanted.finish = found.finish
    known = USAGE[target]
    # A count of nothing and one that is not said are the same.
    wanted.usage = {name: value for name, value in wanted.usage.items() if name in known and value}
    found.usage = {name: value for name, value in found.usage.items() if name in known and value}
    if target in FRESH_TOKENS and wanted.usage.get("cached", 0) > wanted.usage.get("input", 0):
        used["cached"] += 1
        wanted.usage["cached"] = wanted.usage["input"]
    return wanted, found
