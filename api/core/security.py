"""Who may speak: tokens, keys and passwords. Every comparison takes the same time, right or wrong."""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_P = ParamSpec("_P")
_T = TypeVar("_T")

_ID_BYTES = 18  # 144 bits (ASVS 11.5.1 asks for 128)
_PASSWORDS = PasswordHasher()
# argon2 takes tens of milliseconds and 64 MiB on purpose: never on the event loop, and four at a time.
_TURNS = ThreadPoolExecutor(4, thread_name_prefix="argon2")

# Verified when the account does not exist, so that the answer's timing does not tell.
_NOBODY = _PASSWORDS.hash(secrets.token_urlsafe())


class Role(StrEnum):
    """What a caller may do; `internal` is the bot and its actions."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    HANDLER = "handler"
    AUDITOR = "auditor"
    ADMIN = "admin"
    INTERNAL = "internal"


STAFF_ROLES = frozenset({Role.AGENT, Role.SUPERVISOR, Role.HANDLER, Role.AUDITOR, Role.ADMIN})


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller other than a customer. `units` are the departments whose sealed tickets a handler may see, `unit` the first.

    `by_key`: another system, or a script; its `scopes` limit it, None: everything the role may. `password_temporary`: only
    the own password may be changed.
    """

    id: str
    name: str
    role: Role
    units: tuple[str, ...] = ()
    by_key: bool = False
    scopes: frozenset[str] | None = None
    password_temporary: bool = False

    @property
    def unit(self) -> str | None:
        return self.units[0] if self.units else None

    @property
    def sees_everything(self) -> bool:
        """Sealed matters of every unit among it; a supervisor of certain units sees those."""
        return self.role in (Role.AUDITOR, Role.ADMIN, Role.INTERNAL) or (
            self.role is Role.SUPERVISOR and not self.units
        )


BOT = "internal"  # the dialogue's id, as tickets keep it (operator_id, classified_by)
# In the audit chain these stand for something else than a person with an account.
RESERVED_NAMES = frozenset({"bot", "customer", "internal", "oidc", "playbook", "settings", "system"})

# Who acts where nobody does: timers, and what follows from a rule.
SYSTEM = Principal(id="system", name="系统", role=Role.ADMIN)


def new_id() -> str:
    return secrets.token_urlsafe(_ID_BYTES)


def conversation_token(key: bytes, conversation_id: str) -> str:
    """Bound to the conversation by an HMAC, so that checking it costs no query."""
    digest = hmac.new(key, b"conversation:" + conversation_id.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def same_secret(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def bearer(header: str | None) -> str:
    """The token of an Authorization header; empty when there is none."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def signed(key: bytes, purpose: str, value: str) -> str:
    """A keyed digest for what the browser keeps for us."""
    digest = hmac.new(key, f"{purpose}:{value}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def hash_token(token: str) -> str:
    """For long random tokens only: they need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def hash_password(password: str) -> str:
    return _PASSWORDS.hash(password)


def password_matches(stored: str | None, password: str) -> bool:
    try:
        return _PASSWORDS.verify(stored or _NOBODY, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


async def hashing(work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
    """`hash_password` or `password_matches`, in its turn."""
    return await asyncio.get_running_loop().run_in_executor(_TURNS, lambda: work(*arguments, **named))


class ApiKeys:
    """TINGSU_API_KEYS: `key`, or `name:role:key` for less than everything."""

    def __init__(self, specifications: tuple[str, ...]) -> None:
        self._keys: list[tuple[str, Principal]] = []
        for number, specification in enumerate(specifications, start=1):
            name, role, key = self._split(specification, number)
            self._keys.append((hash_token(key), Principal(id=f"key:{name}", name=name, role=role, by_key=True)))

    @staticmethod
    def _split(specification: str, number: int) -> tuple[str, Role, str]:
        parts = specification.split(":", 2)
        if len(parts) == 1:
            return f"key{number}", Role.ADMIN, specification
        if len(parts) != 3 or parts[1] not in STAFF_ROLES:
            raise ValueError(
                "TINGSU_API_KEYS 的每一项应为 key 或 name:role:key，role 为 " + "、".join(sorted(STAFF_ROLES))
            )
        return parts[0], Role(parts[1]), parts[2]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(principal.name for _, principal in self._keys)

    def find(self, key: str) -> Principal | None:
        given, found = hash_token(key), None
        for expected, principal in self._keys:
            if hmac.compare_digest(given, expected):
                found = principal
        return found
