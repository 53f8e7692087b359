"""Member names: protobuf's JSON form takes ``camelCase`` and ``snake_case`` alike, and writes ``camelCase``.

Objects are read through ``camel``, which notes how their names were spelt, and written through ``respell``, so that a
request goes on as it came. What stands inside arguments, results, schemas and labels is the caller's own and is never
read through here.
"""

from __future__ import annotations

from typing import Any

import orjson

from providers.neutral import Json, Malformed

_NAMES = (
    "allowedFunctionNames audioTimestamp cachedContent candidateCount codeExecution codeExecutionResult displayName"
    " dynamicRetrievalConfig enableEnhancedCivicAnswers enterpriseWebSearch executableCode fileData fileSearch fileUri"
    " frequencyPenalty functionCall functionCallingConfig functionDeclarations functionResponse generationConfig"
    " googleMaps googleSearch googleSearchRetrieval imageConfig includeServerSideToolInvocations includeThoughts"
    " inlineData maxOutputTokens mcpServers mediaResolution mimeType modelArmorConfig modelSelectionConfig"
    " parametersJsonSchema partialArgs presencePenalty responseJsonSchema responseLogprobs responseMimeType"
    " responseModalities responseSchema retrievalConfig routingConfig safetySettings serviceTier speechConfig"
    " stopSequences streamFunctionCallArguments systemInstruction thinkingBudget thinkingConfig thinkingLevel"
    " thoughtSignature toolCall toolConfig toolResponse topK topP urlContext videoMetadata willContinue computerUse"
)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


CAMEL: dict[str, str] = {_snake(name): name for name in _NAMES.split()}
"""``snake_case`` -> ``camelCase``, of the names that this dialect reads."""


def camel(value: Json, notes: Json) -> Json:
    """``value`` with its known names in camel case; ``notes`` are told how those were spelt that were not."""
    for name in value:
        if name in CAMEL:
            break
    else:
        return value
    out: Json = {}
    for name, member in value.items():
        known = CAMEL.get(name)
        if known is None:
            out[name] = member
        else:
            notes[known] = name
            out[known] = member
    return out


def respell(value: Json, notes: Json | None) -> Json:
    """``value``, freshly made, with its names as ``notes`` have them."""
    return {notes.get(name, name): member for name, member in value.items()} if notes else value


def json_text(value: Any, member: str) -> str:
    """``value`` as JSON text. Raises Malformed for what only looks like JSON (half a surrogate pair, huge numbers)."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        raise Malformed(f"'{member}' cannot be written as JSON.", member) from None
