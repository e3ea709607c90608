"""A branch named in answer to our question, by any part of its names: "柳园，就上周五" needs no 支行. Pure."""

import re
from collections.abc import Mapping
from dataclasses import replace

from actions.tracker import Span, Turn
from contract.branch import Branch

_KIND = re.compile(r"(?:支行|网点|营业部|分理处|储蓄所|路口|路|街)$")
_SHORTEST = 2


def with_named_branch(turn: Turn, branches: Mapping[str, Branch]) -> Turn:
    """The message with the branch that its words name last; unchanged when it has one already or names none."""
    if turn.branch is not None:
        return turn
    places: list[tuple[int, str, Branch]] = []
    for branch in branches.values():
        for name in (branch.name, *branch.aliases):
            core = _KIND.sub("", name)
            if len(core) >= _SHORTEST and (place := turn.text.rfind(core)) >= 0:
                places.append((place, core, branch))
    if not places:
        return turn
    _, words, branch = max(places, key=lambda found: (found[0], len(found[1])))
    span = Span(type="branch", text=words, value={"code": branch.code, "name": branch.name})
    return replace(turn, spans=(*turn.spans, span))
