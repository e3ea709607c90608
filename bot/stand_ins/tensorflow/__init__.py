"""Answers Rasa's module-level TensorFlow imports without TensorFlow.

Rasa 3.6 imports TensorFlow wherever it defines its neural components, even when a configuration uses none of them.
Every name looked up here (`tf.keras.layers.Layer`, `tf.Tensor`, …) is an inert class that can be subclassed or named in a
type hint; calling it raises. See docs/decisions/0003-no-tensorflow.md.
"""

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence
from typing import Any

_ROOTS = ("tensorflow", "tensorflow_addons", "tensorflow_hub", "tensorflow_text", "keras")
# spaCy's thinc asks for this one to learn whether a TensorFlow is there to compute with.
_ABSENT = "tensorflow.experimental"


class TensorFlowMissingError(RuntimeError):
    """This environment has no TensorFlow: the component needs Rasa's own installation (see benchmarks/stock)."""


class _InertType(type):
    """A class whose attributes are inert classes too, so that module bodies run to their end."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _inert(f"{cls.__name__}.{name}")

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        # No module body of Rasa's calls anything of TensorFlow's; a call is a component at work.
        raise TensorFlowMissingError(TensorFlowMissingError.__doc__)

    def __getitem__(cls, item: Any) -> Any:
        return cls

    def __or__(cls, other: Any) -> Any:
        return Any

    def __ror__(cls, other: Any) -> Any:
        return Any


def _inert(name: str) -> _InertType:
    return _InertType(name.rpartition(".")[2], (), {})


class _InertModule(types.ModuleType):
    __version__ = "0.0.0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = _inert(name)
        setattr(self, name, value)
        return value


class _InertFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds every submodule below the roots, and loads it as an inert module."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None) -> Any:
        if fullname.split(".")[0] not in _ROOTS or fullname.startswith(_ABSENT):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _InertModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        return None


sys.meta_path.append(_InertFinder())
sys.modules[__name__].__class__ = _InertModule
