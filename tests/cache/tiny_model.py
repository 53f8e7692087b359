"""A sentence-embedding model of some words and four numbers, as a directory that sentence-transformers would export."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

WORDS = ["[PAD]", "[UNK]", "how", "do", "i", "reset", "my", "password", "router", "query", ":"]
DIMENSION = 4
TABLE = np.random.default_rng(7).normal(size=(len(WORDS), DIMENSION)).astype(np.float32)
"""A word's numbers; what a text's vector is pooled from."""


def make(
    folder: Path,
    *,
    inputs: tuple[str, ...] = ("input_ids", "attention_mask"),
    kind: int = TensorProto.INT64,
    output: str = "last_hidden_state",
    table: Any = TABLE,
    shape: tuple[Any, Any] = ("batch", "tokens"),
    onnx_file: str = "model.onnx",
    files: dict[str, Any] | None = None,
) -> Path:
    """``output`` ``sentence_embedding``: the sum over all tokens, padding included, so that it is told from pooling."""
    folder.mkdir(parents=True, exist_ok=True)
    rank3 = output != "sentence_embedding"
    nodes = [helper.make_node("Gather", ["table", "input_ids"], [output if rank3 else "hidden"])]
    if not rank3:
        nodes.append(helper.make_node("ReduceSum", ["hidden", "axes"], [output], keepdims=0))
    constants = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1], np.int64), "axes")]
    given = [helper.make_tensor_value_info(name, kind, list(shape)) for name in inputs]
    width = table.shape[1]
    made = [helper.make_tensor_value_info(output, TensorProto.FLOAT, [*shape, width] if rank3 else [shape[0], width])]
    graph = helper.make_graph(nodes, "tiny", given, made, constants if not rank3 else constants[:1])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
    path = folder / onnx_file
    path.parent.mkdir(exist_ok=True)
    onnx.save(model, str(path))
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    for name, said in (files or {}).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(said if isinstance(said, str) else json.dumps(said))
    return folder


def numbers(word: str, table: Any = TABLE) -> list[float]:
    return [float(value) for value in table[WORDS.index(word) if word in WORDS else 1]]


def pooled(text: str, mode: str = "mean") -> list[float]:
    """What a text's vector is to be, of length 1."""
    rows = [numbers(word) for word in text.replace(":", " : ").split()]
    columns = list(zip(*rows, strict=True))
    if mode == "cls":
        found = rows[0]
    elif mode == "max":
        found = [max(column) for column in columns]
    else:
        found = [sum(column) / len(rows) for column in columns]
    length = math.hypot(*found)
    return [value / length for value in found]
