"""Whose body it is."""

from __future__ import annotations

from providers.dialects.bedrock.models import is_claude
from providers.dialects.bedrock_invoke import prompts
from providers.dialects.bedrock_invoke.families import CLAUDE, NOVA, OPENAI
from providers.dialects.bedrock_invoke.form import Family
from providers.neutral import Json, Malformed, Request


def of_body(body: Json, model: str) -> Family:
    """The family that a request's members show, and where they do not, its model. Raises Malformed."""
    if "messages" in body:
        if "anthropic_version" in body or is_claude(model):
            return CLAUDE
        if "schemaVersion" in body or "inferenceConfig" in body or "amazon.nova" in model:
            return NOVA
        return OPENAI
    found = prompts.of_body(body, model)
    if found is None:
        raise Malformed(
            "This body is of no family of models that can be translated. Those of Claude, Nova and others with messages"
            " can, and prompts for Claude, Titan, Llama, Mistral and Command."
        )
    return found


def of_request(request: Request) -> Family:
    """The family of a request that was decoded here."""
    known: Family | None = {"anthropic": CLAUDE, "bedrock": NOVA, "openai_chat": OPENAI}.get(request.origin)
    return known if known is not None else prompts.FAMILIES.get(request.shape) or CLAUDE
