"""Where the lexicon lies, and a digest of everything that a trained component depends on."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
LEXICON = HERE.parent / "lexicon"
SPACY = HERE.parent / "spacy"


def read_yaml(path: Path) -> Any:
    """One of our own lexicon files."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


@lru_cache(maxsize=1)
def sources_digest() -> str:
    """Changes with every helper module and lexicon file: Rasa's own fingerprint sees neither."""
    return digest_of(HERE, LEXICON, SPACY)


def digest_of(*folders: Path) -> str:
    """A digest of all Python, YAML and text files directly in `folders`."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.iterdir()):
            if path.suffix in (".py", ".yml", ".txt"):
                digest.update(f"{path.name}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
