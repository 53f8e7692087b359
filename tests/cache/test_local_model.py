"""A local model: what its directory says, the vectors that it gives, and errors that name the file."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from gateway.cache.embedding import local, model_directory
from gateway.cache.embedding.local import LocalModel
from gateway.cache.embedding.model_directory import ModelError
from tests.cache import tiny_model
from tests.cache.tiny_model import DIMENSION, pooled

TEXTS = ["how do i reset my password", "password", "reset router", "what is this", "i do i do i do"]


def floats(vector: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(vector) // 4}f", vector)


def check(model: LocalModel, texts: list[str] = TEXTS, mode: str = "mean", prefix: str = "") -> None:
    for text, vector in zip(texts, model.vectors(texts), strict=True):
        assert floats(vector) == pytest.approx(pooled(prefix + text, mode), abs=1e-6), text


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32])
@pytest.mark.parametrize(
    "inputs",
    [
        ("input_ids",),
        ("input_ids", "attention_mask"),
        ("input_ids", "attention_mask", "token_type_ids"),
        ("attention_mask", "position_ids", "input_ids"),
    ],
)
def test_whatever_inputs_a_model_declares(tmp_path: Path, inputs: tuple[str, ...], kind: int) -> None:
    model = LocalModel.open(str(tiny_model.make(tmp_path / "m", inputs=inputs, kind=kind)))
    assert model.dimension == DIMENSION
    check(model)


@pytest.mark.parametrize(
    ("said", "mode"),
    [
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False}, "mean"),
        ({"word_embedding_dimension": 4, "pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode_max_tokens": True, "pooling_mode_lasttoken": False}, "max"),
        ({"pooling_mode": "cls"}, "cls"),
    ],
)
def test_pooling_is_as_the_model_says(tmp_path: Path, said: dict[str, Any], mode: str) -> None:
    folder = tiny_model.make(tmp_path / "m", files={"1_Pooling/config.json": said}, onnx_file="onnx/model.onnx")
    check(LocalModel.open(str(folder)), mode=mode)


def test_an_output_for_the_sentence_is_taken_as_it_is(tmp_path: Path) -> None:
    files = {
        "1_Pooling/config.json": {"pooling_mode_max_tokens": True},
        "modules.json": [{"type": "sentence_transformers.models.Dense"}],
    }
    folder = tiny_model.make(tmp_path / "m", output="sentence_embedding", files=files)
    # A sum has the mean's direction, without padding.
    check(LocalModel.open(str(folder)), texts=["reset my router"])


def test_a_prompt_for_queries_stands_before_each(tmp_path: Path) -> None:
    said = {"prompts": {"query": "query: ", "passage": "x"}, "default_prompt_name": None}
    folder = tiny_model.make(tmp_path / "m", files={"config_sentence_transformers.json": said})
    check(LocalModel.open(str(folder)), prefix="query: ")
    said = {"prompts": {"other": "reset "}, "default_prompt_name": "other"}
    folder = tiny_model.make(tmp_path / "n", files={"config_sentence_transformers.json": said})
    check(LocalModel.open(str(folder)), prefix="reset ")


@pytest.mark.parametrize(
    "files",
    [
        {"sentence_bert_config.json": {"max_seq_length": 3}},
        {"tokenizer_config.json": {"model_max_length": 3}},
        {"sentence_bert_config.json": {"max_seq_length": 3}, "tokenizer_config.json": {"model_max_length": 1e30}},
    ],
)
def test_what_is_too_long_is_cut(tmp_path: Path, files: dict[str, Any]) -> None:
    model = LocalModel.open(str(tiny_model.make(tmp_path / "m", files=files)))
    (vector,) = model.vectors(["how do i reset my password"])
    assert floats(vector) == pytest.approx(pooled("how do i"), abs=1e-6)


def test_a_length_without_a_bound_is_bounded(tmp_path: Path) -> None:
    folder = tiny_model.make(tmp_path / "m", files={"tokenizer_config.json": {"model_max_length": 10**30}})
    assert model_directory.read(str(folder)).tokens == model_directory.USUAL_TOKENS
    folder = tiny_model.make(tmp_path / "n", files={"sentence_bert_config.json": {"max_seq_length": 100_000}})
    assert model_directory.read(str(folder)).tokens == model_directory.MOST_TOKENS


def test_many_texts_of_any_length_are_run_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "TOKENS_AT_ONCE", 20)
    model = LocalModel.open(str(tiny_model.make(tmp_path / "m")))
    texts = [" ".join(tiny_model.WORDS[2 : 3 + number % 7]) for number in range(40)]
    check(model, texts)
    parts = list(model._parts([len(text.split()) for text in texts]))
    assert sorted(place for part in parts for place in part) == list(range(40))
    assert all(len(part) * max(len(texts[place].split()) for place in part) <= 20 for part in parts)


@pytest.mark.parametrize("shape", [(1, "tokens"), (2, 4), ("batch", 4)])
def test_a_model_of_fixed_shape_is_fed_that(tmp_path: Path, shape: tuple[Any, Any]) -> None:
    model = LocalModel.open(str(tiny_model.make(tmp_path / "m", shape=shape)))
    texts = ["how", "how do", "reset my router", "i do"]
    check(model, texts)


def test_a_text_without_a_vector_costs_the_others_nothing(tmp_path: Path) -> None:
    table = tiny_model.TABLE.copy()
    table[tiny_model.WORDS.index("router")] = np.nan
    table[tiny_model.WORDS.index("do")] = 0
    model = LocalModel.open(str(tiny_model.make(tmp_path / "m", table=table)))
    found = model.vectors(["password", "my router", "do", "   "])
    assert found[1:] == [b"", b"", b""]
    assert floats(found[0]) == pytest.approx(pooled("password"), abs=1e-6)


def test_identity_is_that_of_the_files(tmp_path: Path) -> None:
    names = [LocalModel.open(str(tiny_model.make(tmp_path / name))).name for name in ("a", "b")]
    assert names[0] == names[1]
    assert names[0].startswith("local:")
    (tmp_path / "b" / "README.md").write_text("of no consequence")
    assert model_directory.read(str(tmp_path / "b")).digest.startswith(names[0].removeprefix("local:"))
    changes: list[dict[str, Any]] = [
        {"table": tiny_model.TABLE + 1},
        {"files": {"1_Pooling/config.json": {"pooling_mode_cls_token": True}}},
        {"files": {"sentence_bert_config.json": {"max_seq_length": 3}}},
    ]
    for number, change in enumerate(changes):
        names.append(LocalModel.open(str(tiny_model.make(tmp_path / str(number), **change))).name)
    assert len(set(names)) == 4


def remove(name: str) -> Any:
    return lambda folder: (folder / name).unlink()


def write(name: str, data: bytes) -> Any:
    def written(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)

    return written


DAMAGE = {
    "no tokenizer": (remove("tokenizer.json"), "tokenizer.json", "is missing"),
    "no model": (remove("model.onnx"), "model.onnx", "is missing, and so is onnx/model.onnx"),
    "a damaged tokenizer": (write("tokenizer.json", b"{}"), "tokenizer.json", "no tokenizer that can be loaded"),
    "a damaged model": (write("model.onnx", b"\x08\x0agarbage"), "model.onnx", "no model that ONNX Runtime can load"),
    "an empty model": (write("model.onnx", b""), "model.onnx", "no model that ONNX Runtime can load"),
    "no JSON": (write("1_Pooling/config.json", b"{"), "1_Pooling/config.json", "is damaged"),
    "no object": (write("tokenizer_config.json", b"[]"), "tokenizer_config.json", "is no JSON object"),
    "too much": (write("tokenizer_config.json", b" " * (1 << 21)), "tokenizer_config.json", "is larger than"),
    "no modules": (write("modules.json", b"{}"), "modules.json", "is no list of modules"),
    "no prompts": (write("config_sentence_transformers.json", b'{"prompts":[1]}'), "config_sentence", "no object"),
    "no prompt": (write("config_sentence_transformers.json", b'{"prompts":{"query":1}}'), "config_sentence", "no text"),
    "another pooling": (
        write("1_Pooling/config.json", b'{"pooling_mode_lasttoken":true}'), "1_Pooling/config.json", "lasttoken",
    ),
    "two poolings": (
        write("1_Pooling/config.json", b'{"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":true}'),
        "1_Pooling/config.json", "pooling_mode_cls_token, pooling_mode_mean_tokens",
    ),
    "a layer behind": (write("modules.json", b'[{"type":"x.Dense"}]'), "model.onnx", "layer behind the pooling"),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_directory_is_told_by_its_file(tmp_path: Path, case: str) -> None:
    damage, file, words = DAMAGE[case]
    folder = tiny_model.make(tmp_path / "m")
    damage(folder)
    with pytest.raises(ModelError) as raised:
        LocalModel.open(str(folder))
    assert file in raised.value.path
    assert words in raised.value.reason
    assert "\n" not in str(raised.value)


def test_a_model_that_gives_nothing_usable_is_told_at_the_start(tmp_path: Path) -> None:
    table = np.full_like(tiny_model.TABLE, np.nan)
    with pytest.raises(ModelError, match=r"model\.onnx: gives no usable vector"):
        LocalModel.open(str(tiny_model.make(tmp_path / "m", table=table)))
    with pytest.raises(ModelError, match="an input pixel_values"):
        LocalModel.open(str(tiny_model.make(tmp_path / "n", inputs=("input_ids", "pixel_values"))))
    with pytest.raises(ModelError, match="is no directory"):
        LocalModel.open(str(tmp_path / "nowhere"))


def test_weights_of_another_form_are_not_loaded(tmp_path: Path) -> None:
    """A pickle runs what it likes when it is loaded."""

    class Trap:
        def __reduce__(self) -> Any:
            return (os.mkdir, (str(tmp_path / "sprung"),))

    folder = tiny_model.make(tmp_path / "m")
    (folder / "model.onnx").rename(folder / "model.bin")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelError, match=r"pytorch_model\.bin is not used, export the model to ONNX"):
        LocalModel.open(str(folder))
    (folder / "model.onnx").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelError, match="no model that ONNX Runtime can load"):
        LocalModel.open(str(folder))
    assert not (tmp_path / "sprung").exists()


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_model.make(tmp_path / "m")

    def refuse(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(local, "import_module", refuse)
    with pytest.raises(ModelError, match=r"needs microgate\[embed\] installed"):
        LocalModel.open(str(folder))
