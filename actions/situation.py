"""Everything that the choice and the wording of a script depend on, from message, draft, directory and playbook. Pure."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from actions import branch_facts, incidents, texts
from actions.bridge import Directory
from actions.explain import Situation
from actions.tracker import Memory, Turn
from contract.branch import Branch
from contract.incident import Incident
from contract.playbook import Playbook
from contract.script import Condition
from contract.ticket import TicketDraft

# From here on cash is checked (domain.md 4.3); what is told of it is the figures of sla.yml.
_COUNTER = ("cash_", "loss_")
_LARGE_CASH = Decimal(50_000)


@dataclass(frozen=True, kw_only=True)
class World:
    """What the bank publishes: its texts and numbers, its branches and incidents."""

    playbook: Playbook
    directory: Directory


def situation(turn: Turn, memory: Memory, world: World, *, more: Mapping[str, str] | None = None) -> Situation:
    """`more` fills placeholders that only the caller knows, such as the progress of a ticket."""
    draft = memory.draft
    branch = world.directory.branches.get(draft.branch or "")
    moment = moment_of(draft)
    day = day_of(draft) or turn.now.date()
    incident = incidents.behind(draft, world.directory.incidents, turn.now)
    slots = {
        "heard": texts.heard(turn.text, world.playbook.phrases),
        "amount": f"{draft.amount}元" if draft.amount else None,
        "product": draft.product,
        "bank": world.playbook.organisation.name,
        "hotline": world.playbook.organisation.hotline,
        "cause_name": world.playbook.taxonomy.name(draft.cause_l2 or draft.cause_l1 or "C99"),
        **world.playbook.organisation.facts,
        **_figures(world.playbook, today=turn.now.date(), day=day),
        "ticket_no": memory.ticket_no if draft.narrative_raw is None else None,
        **_branch_slots(branch, moment, day if day_of(draft) else None, world.directory.branches),
        **_incident_slots(incident),
        **(more or {}),
    }
    return Situation(
        cause=draft.cause_l2 or draft.cause_l1,
        level=turn.level,
        day=day,
        conditions=_conditions(draft, branch, moment, incident, turn.now),
        slots={name: value for name, value in slots.items() if value},
        turn=_wording(turn, memory),
    )


def _figures(playbook: Playbook, *, today: date, day: date) -> Mapping[str, str]:
    """Our own times are those of today; what the counter had to do, that of the day on which it happened."""
    then = playbook.sla.figures_on(day)
    return {
        **{name: text for name, text in playbook.sla.figures_on(today).items() if not name.startswith(_COUNTER)},
        **{name: text for name, text in then.items() if name.startswith(_COUNTER)},
    }


def _wording(turn: Turn, memory: Memory) -> int:
    """Another wording for the next conversation, and for the next time in this one; the same when a turn is tried again."""
    return zlib.crc32(turn.conversation_id.encode()) + len(memory.draft.script_ids_used) + memory.form_run


def _conditions(
    draft: TicketDraft, branch: Branch | None, moment: datetime | None, incident: Incident | None, now: datetime
) -> frozenset[Condition]:
    found: set[Condition] = set(branch_facts.conditions(branch, moment))
    if moment is not None:
        found.add("event_time_known")
    if draft.amount is not None:
        found.add("amount_known")
        if Decimal(draft.amount) >= _LARGE_CASH:
            found.add("cash_large")
    if draft.customer_type == "对公":
        found.add("corporate")
    if "资金正在被骗" in draft.tags:
        found.add("fraud_now")
    if incident is not None:
        found |= {"incident_known", "incident_running" if incident.holds_at(now) else "incident_over"}
    return frozenset(found)


def _branch_slots(
    branch: Branch | None, moment: datetime | None, day: date | None, branches: Mapping[str, Branch]
) -> dict[str, str | None]:
    if branch is None:
        return {}
    when = moment or (datetime.combine(day, datetime.min.time()) if day else None)
    return {
        "branch_name": branch.name,
        "hours": branch_facts.hours_text(branch, when),
        "handover": branch_facts.handover_text(branch),
        "machines": branch.machines,
        "nearest": branch_facts.nearest_text(branch, {code: known.name for code, known in branches.items()}),
        "windows": str(branch.windows) if branch.windows else None,
    }


def _incident_slots(incident: Incident | None) -> dict[str, str | None]:
    if incident is None:
        return {}
    return {
        "incident_no": incident.incident_no,
        "incident_title": incident.title,
        "incident_from": texts.time_text(incident.starts_at),
        "incident_to": texts.time_text(incident.ends_at) if incident.ends_at else None,
        "incident_services": "、".join(incident.services),
        "workaround": incident.workaround,
    }


def moment_of(draft: TicketDraft) -> datetime | None:
    """When it happened; only a value with a time of day says anything about opening hours."""
    return _read(draft.event_time) if draft.event_time and "T" in draft.event_time else None


def day_of(draft: TicketDraft) -> date | None:
    """The day on which it happened: rules change, and the day decides which one held."""
    moment = _read(draft.event_time)
    return moment.date() if moment else None


def _read(value: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if value else None
    except ValueError:
        return None
