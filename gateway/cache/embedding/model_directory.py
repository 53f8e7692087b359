"""A sentence-embedding model as a directory: which files it has, what they say, and whether they can be used.

The layout is that of sentence-transformers with an ONNX export: ``tokenizer.json``, ``model.onnx`` or
``onnx/model.onnx`` (with ``.onnx_data`` beside it where the weights stand apart), and where there are some
``1_Pooling/config.json``, ``sentence_bert_config.json``, ``config_sentence_transformers.json``,
``tokenizer_config.json`` and ``modules.json``. Files are read, never run: no pickles, no code, no network.
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Any, Literal

import msgspec

Pooling = Literal["mean", "cls", "max"]

MOST_TOKENS = 2048
"""Of a text: attention takes memory with the square of it, 12 heads of 2,048 tokens 200 MB."""
USUAL_TOKENS = 512
"""Where no file says how many the model reads."""
MOST_SETTINGS_BYTES = 1 << 20
ONNX = ("model.onnx", "onnx/model.onnx")
TOKENIZER = "tokenizer.json"
POOLING = "1_Pooling/config.json"
SENTENCES = "config_sentence_transformers.json"
LENGTH = "sentence_bert_config.json"
TOKENS = "tokenizer_config.json"
MODULES = "modules.json"
MODES: dict[str, Pooling] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
}


class ModelError(Exception):
    """The directory cannot be used; the message names the file and says why, for the operator."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class ModelDirectory(msgspec.Struct, frozen=True):
    """What the files say."""

    path: str
    model: str
    """Path of the ONNX file."""
    tokenizer: str
    pooling: Pooling
    stated: bool
    """The pooling stands in a file; else it is what most models have."""
    tokens: int
    """Most of a text; what is behind them is not read."""
    prefix: str
    """Stands before each question."""
    projected: bool
    """Behind the pooling there is a layer, which only a model with an output ``sentence_embedding`` has."""
    digest: str
    """Of all files that have a say, SHA-256 in hexadecimal."""


def read(path: str) -> ModelDirectory:
    """Look at a directory; what is large is hashed. Raises ModelError."""
    if not os.path.isdir(path):
        raise ModelError(path, "is no directory")
    tokenizer = os.path.join(path, TOKENIZER)
    if not os.path.isfile(tokenizer):
        raise ModelError(tokenizer, "is missing: a model needs its tokenizer in this form")
    model = next((name for name in ONNX if os.path.isfile(os.path.join(path, name))), None)
    if model is None:
        found = [
            name for name in ("model.safetensors", "pytorch_model.bin") if os.path.isfile(os.path.join(path, name))
        ]
        beside = f"; {found[0]} is not used, export the model to ONNX" if found else ""
        raise ModelError(os.path.join(path, ONNX[0]), f"is missing, and so is {ONNX[1]}{beside}")
    pooling = settings(path, POOLING)
    sentences = settings(path, SENTENCES) or {}
    return ModelDirectory(
        path,
        os.path.join(path, model),
        tokenizer,
        "mean" if pooling is None else mode(os.path.join(path, POOLING), pooling),
        pooling is not None,
        length(path),
        prefix(os.path.join(path, SENTENCES), sentences),
        any("Dense" in kind for kind in modules(path)),
        digest(path, (TOKENIZER, model, f"{model}_data", f"{model}.data", POOLING, SENTENCES, LENGTH, TOKENS, MODULES)),
    )


def settings(path: str, name: str) -> dict[str, Any] | None:
    """What a JSON file says; None where there is none. Raises ModelError."""
    file = os.path.join(path, name)
    said = document(file)
    if said is not None and not isinstance(said, dict):
        raise ModelError(file, "is no JSON object")
    return said


def document(file: str) -> Any:
    try:
        with open(file, "rb") as opened:
            data = opened.read(MOST_SETTINGS_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(file, f"cannot be read: {error.strerror}") from error
    if len(data) > MOST_SETTINGS_BYTES:
        raise ModelError(file, f"is larger than {MOST_SETTINGS_BYTES} bytes")
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(file, f"is damaged: {error}") from error


def mode(file: str, said: dict[str, Any]) -> Pooling:
    """One of the three; several at once, or another, would be a vector that this program does not make."""
    asked = [name for name, value in said.items() if name.startswith("pooling_mode_") and value is True]
    if not asked and isinstance(said.get("pooling_mode"), str):
        asked = [name for name, kind in MODES.items() if kind == said["pooling_mode"]] or [said["pooling_mode"]]
    if len(asked) != 1 or asked[0] not in MODES:
        raise ModelError(file, f"asks for pooling by {', '.join(asked) or 'nothing'}; known are: {', '.join(MODES)}")
    return MODES[asked[0]]


def length(path: str) -> int:
    """Tokens of a text: as the sentence model says, else as its tokenizer does."""
    for name, member in ((LENGTH, "max_seq_length"), (TOKENS, "model_max_length")):
        found = (settings(path, name) or {}).get(member)
        # A tokenizer without a bound says 10**30.
        if isinstance(found, (int, float)) and 0 < found < 10**6:
            return min(MOST_TOKENS, int(found))
    return USUAL_TOKENS


def prefix(file: str, said: dict[str, Any]) -> str:
    """The prompt for questions, else the default one."""
    prompts = said.get("prompts") or {}
    if not isinstance(prompts, dict):
        raise ModelError(file, "'prompts' is no object")
    found = prompts.get("query", prompts.get(said.get("default_prompt_name") or "", ""))
    if not isinstance(found, str):
        raise ModelError(file, "a prompt is no text")
    return found


def modules(path: str) -> list[str]:
    file = os.path.join(path, MODULES)
    said = document(file)
    if said is None:
        return []
    if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
        raise ModelError(file, "is no list of modules")
    return [str(one.get("type", "")) for one in said]


def digest(path: str, names: tuple[str, ...]) -> str:
    whole = sha256()
    for name in sorted(names):
        file = os.path.join(path, name)
        try:
            with open(file, "rb") as opened:
                part = sha256()
                while piece := opened.read(1 << 20):
                    part.update(piece)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ModelError(file, f"cannot be read: {error.strerror}") from error
        whole.update(f"{name}\0{part.hexdigest()}\n".encode())
    return whole.hexdigest()
