"""Commands for operators, one module each: `python -m api.commands.<name>`."""

from api.core.crypto import Cipher
from api.core.db import Database
from api.core.settings import Settings


def open_database(settings: Settings) -> Database:
    """The database of these settings, as the api opens it; close it when done."""
    return Database(settings.sql_url, Cipher(settings.key_ring))
