"""What an API key may be limited to: the scope that each route needs, by its address.

An address that is not listed here is not open to limited keys at all.
"""

from enum import StrEnum


class Scope(StrEnum):
    """Named as `what:how`; a key with none of a route's is refused, whatever its role."""

    TICKETS_READ = "tickets:read"
    TICKETS_WRITE = "tickets:write"
    TICKETS_EXPORT = "tickets:export"
    HANDOFF_READ = "handoff:read"
    HANDOFF_WRITE = "handoff:write"
    CONVERSATIONS_READ = "conversations:read"
    CONVERSATIONS_WRITE = "conversations:write"
    BRANCHES_READ = "branches:read"
    BRANCHES_WRITE = "branches:write"
    NOTICES_READ = "notices:read"
    NOTICES_WRITE = "notices:write"
    UNDERSTAND = "understand"
    AUDIT_READ = "audit:read"


# The longest prefix wins: scope for GET, scope for everything else.
_ROUTES: dict[str, tuple[Scope | None, Scope | None]] = {
    "/v1/tickets": (Scope.TICKETS_READ, Scope.TICKETS_WRITE),
    "/v1/tickets/export": (Scope.TICKETS_EXPORT, None),
    "/v1/handoff": (Scope.HANDOFF_READ, Scope.HANDOFF_WRITE),
    "/v1/webhooks": (Scope.HANDOFF_READ, Scope.HANDOFF_WRITE),
    "/v1/conversations": (Scope.CONVERSATIONS_READ, Scope.CONVERSATIONS_WRITE),
    "/v1/alerts": (Scope.CONVERSATIONS_READ, Scope.CONVERSATIONS_WRITE),
    "/v1/branches": (Scope.BRANCHES_READ, Scope.BRANCHES_WRITE),
    "/v1/incidents": (Scope.BRANCHES_READ, Scope.BRANCHES_WRITE),
    "/v1/notices": (Scope.NOTICES_READ, Scope.NOTICES_WRITE),
    "/v1/understand": (None, Scope.UNDERSTAND),
    "/v1/audit": (Scope.AUDIT_READ, None),
}


def scope_of(method: str, path: str) -> Scope | None:
    """`path` as the route is written. None: no limited key comes in here."""
    fitting = [prefix for prefix in _ROUTES if path == prefix or path.startswith(f"{prefix}/")]
    if not fitting:
        return None
    read, write = _ROUTES[max(fitting, key=len)]
    return read if method in ("GET", "HEAD") else write
