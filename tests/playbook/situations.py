"""Every situation that can make a difference to a script, built like in a dialogue by actions/situation.py.

Which variant is said depends on the conditions that its variants name, on the placeholders that are known, and, where a
variant names them, on cause and level (actions/explain.py, `_fits`); how it reads depends on the values of its placeholders.
So a script is run through the whole product of those things that it looks at. What no variant of it names cannot change
a letter, and is left at one value: that is the only thing left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import product
from types import SimpleNamespace

from actions import texts
from actions.bridge import Directory
from actions.explain import Situation
from actions.situation import World, situation
from actions.tracker import Memory, Turn
from api.tickets import views
from api.tickets.lifecycle import State
from contract.branch import Branch
from contract.incident import Incident
from contract.playbook import Playbook
from contract.script import Script
from contract.ticket import Nature, TicketDraft

NOW = datetime.fromisoformat("2026-11-25T14:00:00+08:00")  # a Wednesday
# By the State Council's calendar for 2026: a plain day, Saturday, Sunday, National Day, a Saturday that is worked (调休).
DAYS = tuple(date.fromisoformat(day) for day in ("2026-11-25", "2026-11-28", "2026-11-29", "2026-10-01", "2026-10-10"))
TICKET_NO = "TS2026112500018"
# The customer's words as long as they are ever said back, and with a figure of theirs.
_HEARD = ("站了两个小时没人理", "我从上午九点一直等到了下午两点多都没有人过来管一下", "")

_OF_PLACE = frozenset(
    {
        "branch_name", "machines", "nearest", "windows",
        "branch_known", "window_open", "window_closed", "machines_known", "nearest_known", "windows_known",
    }
)  # fmt: skip
_OF_HOURS = frozenset(
    {
        "hours", "handover",
        "in_handover", "outside_handover", "published_open", "published_closed", "closed_all_day", "holiday",
    }
)  # fmt: skip
_OF_TICKET = frozenset({"ticket_no", "state", "next_date", "day_count", "extension_reason"})

Known = Mapping[str, object]


@dataclass(frozen=True)
class _Told:
    """One combination of what is known."""

    draft: TicketDraft
    text: str
    level: int
    world: World
    ticket: Mapping[str, str]


def looks_at(script: Script) -> frozenset[str]:
    """The conditions and placeholders that any of its variants names; `cause` and `level` where one is bound to them."""
    variants = [variant for version in script.versions for variant in version.variants]
    named = {name for variant in variants for name in (*variant.when, *variant.placeholders)}
    if any(variant.causes for variant in variants) or "cause_name" in named:
        named.add("cause")
    if any((variant.level_min, variant.level_max) != (0, 4) for variant in variants):
        named.add("level")
    return frozenset(named)


def situations(script: Script, playbook: Playbook) -> Iterator[Situation]:
    """All that differ in anything the script looks at, once each; the wording (`turn`) is left open."""
    named, seen = looks_at(script), set()
    for chosen in product(*_axes(script, playbook)):
        known: dict[str, object] = {}
        for part in chosen:
            known.update(part)
        told = _told(known, playbook)
        memory = Memory(draft=told.draft, requested=None, form_active=True)
        given = situation(_turn(told), memory, told.world, more=told.ticket)
        difference = (
            given.cause,
            given.level,
            given.day,
            given.conditions & named,
            *map(given.slots.get, sorted(named)),
        )
        if difference not in seen:
            seen.add(difference)
            yield given


def nothing_known(cause: str | None, level: int, day: date, playbook: Playbook) -> Situation:
    """Neither branch nor time nor incident, no fact of the bank: only who we are, and the figures."""
    bare = playbook.model_copy(update={"organisation": playbook.organisation.model_copy(update={"facts": {}})})
    told = _told({"cause": cause, "level": level, "when": day.isoformat(), "playbook": bare}, playbook)
    found = situation(_turn(told), Memory(draft=told.draft, requested=None, form_active=True), told.world)
    return replace(found, conditions=frozenset())


def _axes(script: Script, playbook: Playbook) -> list[Sequence[Known]]:
    """What the script looks at, each with everything it may be."""
    named = looks_at(script)
    codes: Sequence[str | None] = [None, *every_cause(playbook)] if "cause" in named else script.causes[:1] or ["C99"]
    axes: list[Sequence[Known]] = [
        [{"cause": code} for code in codes],
        [{"level": level} for level in (range(5) if "level" in named else (1,))],
        [*_times(script, playbook), *_places(named, playbook), *_incidents(named)],
    ]
    choices: Mapping[str, Sequence[object]] = {
        "heard": _HEARD,
        "amount": ("550", "1234567.89", None),
        "product": ("稳盈理财", None),
        "corporate": (True, False),
        "fraud_now": (True, False),
    }
    renamed = {"amount_known": "amount"}
    looked_at = {renamed.get(name, name) for name in named}
    axes += [[{name: value} for value in values] for name, values in choices.items() if name in looked_at]
    if facts := sorted(named & playbook.organisation.facts.keys()):
        axes.append(_facts(facts, playbook))
    if named & _OF_TICKET:
        axes.append([{"ticket": ticket} for ticket in _tickets()])
    return axes


def every_cause(playbook: Playbook) -> tuple[str, ...]:
    causes = playbook.taxonomy.causes
    return tuple(code for cause in causes for code in (cause.code, *(detail.code for detail in cause.details)))


def boundaries(script: Script, playbook: Playbook) -> list[date]:
    """Today, and as far as the script is in force then: the first day of each version and of each value of a figure that it
    names, and the day before it.
    """
    named = looks_at(script)
    starts = {version.effective_from for version in script.versions}
    starts |= {it.effective_from for figure in playbook.sla.figures if figure.name in named for it in figure.values}
    days = {day for start in starts for day in (start, start - timedelta(days=1))} | {NOW.date()}
    return sorted(day for day in days if any(version.holds_on(day) for version in script.versions))


def _times(script: Script, playbook: Playbook) -> list[Known]:
    """Not known when, the day only, and day and time. Which rule holds does not depend on the place, so here is none."""
    days = boundaries(script, playbook)
    return [{"when": None}, *({"when": f"{day}{time}"} for day in days for time in ("", "T10:00:00"))]


def _places(named: frozenset[str], playbook: Playbook) -> list[Known]:
    """Every branch, also without what a directory may lack; for texts that speak of hours on every kind of day, at every
    edge of its published times.
    """
    if not named & (_OF_PLACE | _OF_HOURS):
        return []
    days = DAYS if named & _OF_HOURS else ()
    return [
        {"branch": branch, "when": when}
        for full in playbook.branches
        for branch in _with_gaps(full)
        for when in (None, *(moment for day in days for moment in _moments(branch, day)))
    ]


def _with_gaps(branch: Branch) -> Iterator[Branch]:
    yield branch
    yield branch.model_copy(update={"machines": None})
    yield branch.model_copy(update={"machines": None, "nearest": (), "windows": None})
    yield branch.model_copy(update={"handover": (), "window_open_in_handover": False})


def _moments(branch: Branch, day: date) -> Iterator[str]:
    edges = {edge for span in (*branch.hours, *(branch.holiday_hours or ())) for edge in (span.open, span.close)}
    edges |= {edge for slot in branch.handover for edge in (slot.start, slot.end)}
    yield day.isoformat()
    yield f"{day}T03:00:00"
    for edge in sorted(edges):
        yield f"{day}T{edge}"


def _incidents(named: frozenset[str]) -> list[Known]:
    if not any(name.startswith("incident") or name == "workaround" for name in named):
        return []
    before, inside, after = "2026-11-24T20:00:00+08:00", "2026-11-25T07:00:00", "2026-11-25T08:00:00+08:00"
    ends = {"over": after, "to come": "2026-11-26T06:00:00+08:00", "open": None}
    return [
        {"incident": _incident(before, end, workaround, services), "when": when}
        for end in ends.values()
        for workaround in ("转账可以到网点柜台或者自助机具办理，查余额和明细可以打客服热线", None)
        for services in (("手机银行", "网上银行"), ())
        for when in (None, inside, inside[:10])
    ]


def _incident(start: str, end: str | None, workaround: str | None, services: tuple[str, ...]) -> Incident:
    return Incident.model_validate(
        {
            "incident_no": "SJ20261124001",
            "title": "核心系统升级期间手机银行和网银暂停服务",
            "services": services,
            "from": start,
            "to": end,
            "message": "系统升级",
            "workaround": workaround,
        }
    )


def _facts(named: Sequence[str], playbook: Playbook) -> list[Known]:
    """The bank's facts, with any of those that the script names missing."""
    known: list[Known] = []
    for kept in product((True, False), repeat=len(named)):
        gone = {name for name, stays in zip(named, kept, strict=True) if not stays}
        facts = {name: text for name, text in playbook.organisation.facts.items() if name not in gone}
        organisation = playbook.organisation.model_copy(update={"facts": facts})
        known.append({"playbook": playbook.model_copy(update={"organisation": organisation})})
    return known


def plain_states() -> tuple[str, ...]:
    """All that the bridge says of a ticket's state."""
    rows = product(State, Nature, (None, NOW))
    return tuple(
        dict.fromkeys(
            views.plain_state(
                SimpleNamespace(state=state, nature=nature, review_requested_at=review, awaited="转账凭证的照片")  # type: ignore[arg-type]
            )
            for state, nature, review in rows
        )
    )


def _tickets() -> Iterator[Mapping[str, str]]:
    yield {}
    yield {"ticket_no": TICKET_NO}
    dated = {"next_date": texts.day_text("2026-12-10T23:59:59+08:00")}
    for state in plain_states():
        known = {"ticket_no": TICKET_NO, "state": state}
        yield known
        yield known | dated
        yield known | dated | {"day_count": "27"}
        yield known | dated | {"extension_reason": "需要调取三个网点的监控"}
        yield known | dated | {"day_count": "3", "extension_reason": "需要调取三个网点的监控"}


def _told(known: Known, playbook: Playbook) -> _Told:
    get = known.get
    cause, branch, incident = get("cause"), get("branch"), get("incident")
    draft = TicketDraft.model_validate(
        {
            "narrative_raw": "系统升级，手机银行和网上银行都用不了",
            "branch": branch.code if isinstance(branch, Branch) else None,
            "event_time": get("when"),
            "amount": get("amount"),
            "product": get("product"),
            "cause_l1": cause.rstrip("abcde") if isinstance(cause, str) else None,
            "cause_l2": cause if isinstance(cause, str) and cause[-1].isalpha() else None,
            "customer_type": "对公" if get("corporate") else None,
            "tags": ("资金正在被骗",) if get("fraud_now") else (),
        }
    )
    branches = {known.code: known for known in playbook.branches}
    if isinstance(branch, Branch):
        branches[branch.code] = branch
    directory = Directory(branches, (incident,) if isinstance(incident, Incident) else ())
    published, ticket, level = get("playbook", playbook), get("ticket", {}), get("level", 1)
    assert isinstance(published, Playbook)
    assert isinstance(ticket, Mapping)
    assert isinstance(level, int)
    return _Told(draft, str(get("heard") or ""), level, World(playbook=published, directory=directory), ticket)


def _turn(told: _Told) -> Turn:
    return Turn(
        text=told.text, intent="complain", intent_confidence=1.0, causes=(), level=told.level, reasons=(), spans=(), choice=None,
        conversation_id="c1", channel="web", now=NOW, human_available=False, branches_version=0,
    )  # fmt: skip
