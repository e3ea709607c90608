"""Rasa's importer for the hand-written corpus (config.yml: `importers`).

Rasa's own reads each file with a YAML parser in Python several times, copies every example at each merge and fingerprints it again:
two minutes for twenty thousand lines, five seconds here. Stories, rules and the domain are left to Rasa.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

from rasa.shared.importers.rasa import RasaFileImporter
from rasa.shared.nlu.constants import (
    ENTITIES,
    ENTITY_ATTRIBUTE_END,
    ENTITY_ATTRIBUTE_START,
    ENTITY_ATTRIBUTE_TYPE,
    ENTITY_ATTRIBUTE_VALUE,
    INTENT,
    METADATA,
    TEXT,
)
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu.corpus import Block, read_blocks, read_markup

_NLU = re.compile(r"^nlu:", re.M)
_OTHER = re.compile(r"^(?:stories|rules|responses|forms|lookup|regex|synonym):", re.M)


class CorpusMessage(Message):
    """A line of the corpus. No component of ours changes it, so it is neither copied nor fingerprinted twice."""

    _cached_fingerprint: Optional[str]

    def __deepcopy__(self, memo: Dict[int, Any]) -> "CorpusMessage":
        return self

    def set(self, prop: str, info: Any, add_to_output: bool = False) -> None:
        """See parent class; what stays the same changes nothing."""
        if self.data.get(prop) != info:
            super().set(prop, info, add_to_output)

    def fingerprint(self) -> str:
        """See parent class."""
        if self._cached_fingerprint is None:
            said = repr(sorted(self.data.items())).encode()
            self._cached_fingerprint = hashlib.blake2b(said, digest_size=16).hexdigest()
        return self._cached_fingerprint


class CorpusImporter(RasaFileImporter):
    """Reads the NLU files with the corpus's own reader, everything else as Rasa does."""

    def __init__(
        self,
        config_file: Optional[str] = None,
        domain_path: Optional[str] = None,
        training_data_paths: Optional[Union[List[str], str]] = None,
    ) -> None:
        files = list(_files(training_data_paths))
        self._corpus = tuple(path for path in files if _is_corpus(path))
        super().__init__(config_file, domain_path, [str(path) for path in files if path not in self._corpus])

    def get_nlu_data(self, language: Optional[str] = "en") -> TrainingData:
        """See parent class. Raises CorpusError naming file and line."""
        stamps = tuple((path, path.stat().st_mtime_ns) for path in self._corpus)
        return TrainingData(list(_messages(stamps)))


def _files(paths: Optional[Union[List[str], str]]) -> Iterable[Path]:
    for name in [paths] if isinstance(paths, str) else paths or ():
        path = Path(name)
        yield from sorted(path.rglob("*.y*ml")) if path.is_dir() else [path]


def _is_corpus(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    return bool(_NLU.search(text)) and not _OTHER.search(text)


@lru_cache(maxsize=2)
def _messages(stamps: Tuple[Tuple[Path, int], ...]) -> Tuple[CorpusMessage, ...]:
    """The validator and the training read the same files one after the other."""
    return tuple(
        message for path, _ in stamps for block in read_blocks(path, str(path)) for message in _block_messages(block)
    )


def _block_messages(block: Block) -> Iterable[CorpusMessage]:
    for _, marked in block.examples:
        text, spans = read_markup(marked)
        data: Dict[str, Any] = {TEXT: text, INTENT: block.intent}
        if block.metadata:
            data[METADATA] = {INTENT: dict(block.metadata)}
        if spans:
            data[ENTITIES] = [
                {
                    ENTITY_ATTRIBUTE_START: span.start,
                    ENTITY_ATTRIBUTE_END: span.end,
                    ENTITY_ATTRIBUTE_VALUE: text[span.start : span.end],
                    ENTITY_ATTRIBUTE_TYPE: span.type,
                }
                for span in spans
            ]
        yield CorpusMessage(data=data)
