"""Statements put together once for all databases of the tests: hundreds of engines, each new, would do it again."""

import copy
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import Compiled
from sqlalchemy.util import LRUCache

_KNOWN: dict[tuple[Any, ...], Compiled] = {}


class _Shared(LRUCache[tuple[Any, ...], Compiled]):
    """An engine's own cache, which first asks what another engine of this kind has put together."""

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        found = super().get(key, default)
        if found is None and (known := _KNOWN.get(_for_all(key))) is not None:
            found = copy.copy(known)
            # The dialect is the engine's: what goes in and comes out is encrypted with its key.
            found.dialect = key[0]
            found.preparer = key[0].identifier_preparer
            super().__setitem__(key, found)
        return found

    def __setitem__(self, key: tuple[Any, ...], compiled: Compiled) -> None:
        # As it is before its first use: what an engine adds to it is of that engine.
        _KNOWN.setdefault(_for_all(key), copy.copy(compiled))
        super().__setitem__(key, compiled)


def _for_all(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect: Dialect = key[0]
    return (dialect.name, *key[1:])


def sharing(create_engine: Callable[..., Engine]) -> Callable[..., Engine]:
    """`create_engine` whose engines share what they have put together."""

    def created(*arguments: Any, **options: Any) -> Engine:
        engine = create_engine(*arguments, **options)
        engine._compiled_cache = _Shared(500)
        return engine

    return created
