"""Whether a known incident is behind what the customer tells. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, timezone

from contract.incident import Incident
from contract.ticket import TicketDraft

_BEIJING = timezone(timedelta(hours=8))
# What a service may be called in an announcement, by the detail it breaks.
_SERVICES = {
    "C6b": ("自助", "取款机", "存取款", "ATM", "机具"),
    "C6c": ("手机银行", "网银", "网上银行", "电子银行", "APP", "App", "小程序"),
}
_SYSTEM_WORDS = ("系统", "升级", "维护", "办不了", "登不上", "瘫痪")
_CROWD_CAUSE, _DEVICE_CAUSE = "C3", "C6"


def behind(draft: TicketDraft, incidents: Sequence[Incident], now: datetime) -> Incident | None:
    """The newest incident that fits cause, branch and time; without a time only one that holds now."""
    fitting = [
        it for it in incidents if _fits_cause(draft, it) and _fits_branch(draft, it) and _fits_time(draft, it, now)
    ]
    return max(fitting, key=lambda it: it.starts_at, default=None)


def _fits_cause(draft: TicketDraft, incident: Incident) -> bool:
    if incident.kind == "cluster":
        return False
    if incident.kind == "crowd":
        return draft.cause_l1 == _CROWD_CAUSE
    told = f"{draft.narrative_raw or ''}{draft.product or ''}"
    if draft.cause_l1 != _DEVICE_CAUSE:
        return any(word in told for word in _SYSTEM_WORDS) and any(service in told for service in incident.services)
    if not incident.services or draft.cause_l2 == "C6a":
        return True
    own = _SERVICES.get(draft.cause_l2 or "", ())
    return any(service in told or any(word in service for word in own) for service in incident.services)


def _fits_branch(draft: TicketDraft, incident: Incident) -> bool:
    return not incident.branches or (draft.branch is not None and draft.branch in incident.branches)


def _fits_time(draft: TicketDraft, incident: Incident, now: datetime) -> bool:
    if draft.event_time is None:
        return incident.holds_at(now)
    try:
        moment = datetime.fromisoformat(draft.event_time)
    except ValueError:
        return incident.holds_at(now)
    if "T" in draft.event_time:
        return incident.holds_at(moment.replace(tzinfo=_BEIJING))
    start = datetime.combine(moment.date(), time(), _BEIJING)
    ends = incident.ends_at or datetime.max.replace(tzinfo=UTC)
    return incident.starts_at < start + timedelta(days=1) and start < ends
