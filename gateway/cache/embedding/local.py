"""A sentence-embedding model of this machine, run by ONNX Runtime in the cache process (``microgate[embed]``).

Calls take milliseconds to seconds of processor time: they are made in a thread (``asked.Host``), never on a loop.
numpy, onnxruntime and tokenizers are imported when a model is opened, and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from gateway.cache.embedding import model_directory
from gateway.cache.embedding.model_directory import ModelDirectory, ModelError

TOKENS_AT_ONCE = 8192
"""Of all texts that are run together, with their padding: a batch of long ones is run in parts."""
SENTENCE = "sentence_embedding"
HIDDEN = ("last_hidden_state", "token_embeddings")
INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
INTEGERS = {"tensor(int64)": "int64", "tensor(int32)": "int32"}
PADDING = ("[PAD]", "<pad>", "<|endoftext|>")


class LocalModel:
    """An opened model. ``vectors`` is called by one thread at a time."""

    def __init__(self, directory: ModelDirectory, threads: int = 1) -> None:
        self.directory = directory
        self.name = f"local:{directory.digest[:32]}"
        self._numpy: Any = None
        self._session: Any = None
        self._tokenizer: Any = None
        self._load(threads)
        self._look_at_inputs()
        self._output = self._choose_output()
        (trial,) = self.vectors(["a"])
        if not trial:
            raise ModelError(directory.model, "gives no usable vector for a short text")
        self.dimension = len(trial) // 4

    @classmethod
    def open(cls, path: str, threads: int = 1) -> LocalModel:
        """Load what stands in this directory and try it; takes seconds. ``threads``: how many one call may use.
        Raises ModelError, which names the file."""
        return cls(model_directory.read(path), threads)

    def vectors(self, texts: list[str]) -> list[bytes]:
        """One vector a text, in their order: little-endian float32 of length 1; empty where a text has none."""
        encodings = self._tokenizer.encode_batch([self.directory.prefix + text for text in texts])
        found = [b""] * len(texts)
        for places in self._parts([len(encoding.ids) for encoding in encodings]):
            for place, vector in zip(places, self._run([encodings[place] for place in places]), strict=True):
                found[place] = vector
        return found

    # --- at the start

    def _load(self, threads: int) -> None:
        # Its thread pool would be one for each core, beside the workers.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        try:
            self._numpy = import_module("numpy")
            runtime, tokenizers = import_module("onnxruntime"), import_module("tokenizers")
        except ImportError as error:
            raise ModelError(
                self.directory.path, f"a local model needs microgate[embed] installed ({error})"
            ) from error
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(self.directory.tokenizer)
        except Exception as error:
            raise ModelError(
                self.directory.tokenizer, f"is no tokenizer that can be loaded: {first_line(error)}"
            ) from error
        options = runtime.SessionOptions()
        options.intra_op_num_threads = max(1, threads)
        options.inter_op_num_threads = 1
        # Threads that spin while they wait would take the workers' processors.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = runtime.InferenceSession(self.directory.model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            reason = f"is no model that ONNX Runtime can load: {first_line(error)}"
            raise ModelError(self.directory.model, reason) from error

    def _look_at_inputs(self) -> None:
        self._types: dict[str, Any] = {}
        self._rows = self._columns = 0
        """How many the model takes, where that is fixed; else 0."""
        for one in self._session.get_inputs():
            if one.name not in INPUTS or one.type not in INTEGERS:
                raise ModelError(self.directory.model, f"has an input {one.name} ({one.type}) that is not known here")
            self._types[one.name] = self._numpy.dtype(INTEGERS[one.type])
            if len(one.shape) == 2:
                rows, columns = (size if isinstance(size, int) else 0 for size in one.shape)
                self._rows, self._columns = rows or self._rows, columns or self._columns
        if "input_ids" not in self._types:
            raise ModelError(self.directory.model, "has no input input_ids")
        tokens = min(self.directory.tokens, self._columns or self.directory.tokens)
        padding = self._tokenizer.padding or {}
        named = (self._tokenizer.token_to_id(name) for name in PADDING)
        self._pad = int(padding.get("pad_id", next((one for one in named if one is not None), 0)))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length=tokens)

    def _choose_output(self) -> str:
        ranks: dict[str, int] = {one.name: len(one.shape) for one in self._session.get_outputs()}
        if ranks.get(SENTENCE) == 2:
            return SENTENCE
        if self.directory.projected:
            reason = f"has no output {SENTENCE}, and modules.json has a layer behind the pooling"
            raise ModelError(self.directory.model, reason)
        for name in (*HIDDEN, *ranks):
            if ranks.get(name) == 3:
                return name
        raise ModelError(self.directory.model, f"has neither an output {SENTENCE} nor one for each token")

    # --- a call

    def _parts(self, lengths: list[int]) -> Iterator[list[int]]:
        """Places of the texts that are run together: those of about the same length, so that little is padding."""
        part: list[int] = []
        for place in sorted(range(len(lengths)), key=lengths.__getitem__):
            columns = self._columns or lengths[place]
            if part and ((len(part) + 1) * columns > TOKENS_AT_ONCE or len(part) == self._rows):
                yield part
                part = []
            part.append(place)
        if part:
            yield part

    def _run(self, encodings: list[Any]) -> list[bytes]:
        np = self._numpy
        columns = self._columns or max(1, *(len(encoding.ids) for encoding in encodings))
        shape = max(len(encodings), self._rows), columns
        ids, mask, kinds = np.full(shape, self._pad, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, encoding in enumerate(encodings):
            size = len(encoding.ids)
            ids[row, :size] = encoding.ids
            mask[row, :size] = encoding.attention_mask
            kinds[row, :size] = encoding.type_ids
        positions = np.broadcast_to(np.arange(columns), shape)
        given = dict(zip(INPUTS, (ids, mask, kinds, positions), strict=True))
        fed = {name: given[name].astype(kind) for name, kind in self._types.items()}
        (out,) = self._session.run([self._output], fed)
        out = np.asarray(out, np.float32)
        if out.ndim == 3:
            out = self._pooled(out, mask)
        out = out[: len(encodings)]
        lengths = np.sqrt(np.einsum("rc,rc->r", out, out, dtype=np.float64))
        usable = np.isfinite(lengths) & (lengths > 1e-12)
        out = (out / np.where(usable, lengths, 1.0)[:, None]).astype("<f4")
        return [row.tobytes() if good else b"" for row, good in zip(out, usable, strict=True)]

    def _pooled(self, out: Any, mask: Any) -> Any:
        np = self._numpy
        if self.directory.pooling == "cls":
            return out[:, 0]
        counted = mask[:, :, None].astype(bool)
        if self.directory.pooling == "max":
            found = np.where(counted, out, -np.inf).max(axis=1)
            return np.where(mask.any(axis=1)[:, None], found, 0.0)
        return np.where(counted, out, 0.0).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)[:, None]


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
