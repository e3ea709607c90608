"""An organisation's own Chinese sentence encoder, read from its disk: opt-in, see config.bert.yml. Pure.

A folder with `model.onnx` and `tokenizer.json`, as `optimum-cli export onnx` writes them. onnxruntime and tokenizers read both
without running anybody's code and without PyTorch.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, List

import numpy as np

from bot.nlu.linear import Floats

_MODEL, _TOKENIZER = "model.onnx", "tokenizer.json"
_MAX_TOKENS = 256
_BATCH = 32


class EncoderError(Exception):
    """The encoder cannot be used; `str()` is one sentence that says why."""


class Encoder:
    """Texts to vectors of unit length."""

    def __init__(self, session: Any, tokenizer: Any) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._inputs = [it.name for it in session.get_inputs()]

    @classmethod
    def load(cls, folder: Path) -> "Encoder":
        """Raises EncoderError when a file or a library is missing or does not fit."""
        for name in (_MODEL, _TOKENIZER):
            if not (folder / name).is_file():
                raise EncoderError(f"编码器目录 {folder} 里没有 {name}")
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as error:
            raise EncoderError(f"要用编码器得先装 {error.name}（bot/pyproject.toml 的 encoder 组）") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(str(folder / _MODEL), options, providers=["CPUExecutionProvider"])
            tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        except Exception as error:  # both libraries raise bare exceptions of their own
            raise EncoderError(f"编码器目录 {folder} 里的文件读不了：{type(error).__name__}") from error
        tokenizer.enable_truncation(_MAX_TOKENS)
        tokenizer.enable_padding()
        encoder = cls(session, tokenizer)
        unknown = set(encoder._inputs) - {"input_ids", "attention_mask", "token_type_ids"}
        if unknown:
            raise EncoderError(f"编码器要的输入 {'、'.join(sorted(unknown))} 这里给不了")
        return encoder

    def vectors(self, texts: Sequence[str]) -> Floats:
        """One row for each text (texts × dimensions)."""
        parts = [self._batch(list(texts[at : at + _BATCH])) for at in range(0, len(texts), _BATCH)]
        found: Floats = np.concatenate(parts)
        return found

    def _batch(self, texts: List[str]) -> Floats:
        encoded = self._tokenizer.encode_batch([text or " " for text in texts])
        given = {
            "input_ids": np.array([it.ids for it in encoded], dtype=np.int64),
            "attention_mask": np.array([it.attention_mask for it in encoded], dtype=np.int64),
            "token_type_ids": np.array([it.type_ids for it in encoded], dtype=np.int64),
        }
        states = np.asarray(self._session.run(None, {name: given[name] for name in self._inputs})[0], dtype=np.float32)
        if states.ndim == 3:  # one state a token: their mean, without the padding
            mask = given["attention_mask"][:, :, None].astype(np.float32)
            states = (states * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1.0)
        found: Floats = states / np.maximum(np.linalg.norm(states, axis=1, keepdims=True), 1e-9)
        return found


def digest(folder: Path) -> str:
    """Changes with the encoder's files: a model must be trained anew with another one."""
    found = hashlib.sha256()
    for name in (_MODEL, _TOKENIZER):
        if (folder / name).is_file():
            found.update((folder / name).read_bytes())
    return found.hexdigest()
