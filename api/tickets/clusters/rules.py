"""Which complaints of the last hours are one cluster. Pure; the numbers are thresholds of `sla.yml`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from api.core.models import AnyRow
from api.tickets.similarity import plain
from contract.sla import Sla

_UNKNOWN = "C99"  # tickets of no known cause have no cause in common


@dataclass(frozen=True, slots=True)
class Limits:
    """`*_count` customers within `*_hours`; a count of None (no value in force) switches the rule off."""

    branch_count: int | None
    branch_hours: int
    product_count: int | None
    product_hours: int

    @property
    def window(self) -> timedelta:
        return timedelta(hours=max(self.branch_hours, self.product_hours))


@dataclass(frozen=True, slots=True)
class Cluster:
    """Tickets of one branch and cause, or of one product, the oldest first; `key` names it in words that do not change."""

    key: str
    rows: tuple[AnyRow, ...]
    hours: int
    least: int
    branch: str | None = None
    cause: str | None = None
    product: str | None = None

    @property
    def customers(self) -> int:
        return len({row.customer for row in self.rows})

    @property
    def alarms(self) -> bool:
        return self.customers >= self.least


def limits_on(sla: Sla, day: date) -> Limits:
    return Limits(
        branch_count=sla.threshold("cluster_branch_hour", day),
        branch_hours=sla.threshold("cluster_branch_window", day) or 1,
        product_count=sla.threshold("cluster_product_day", day),
        product_hours=sla.threshold("cluster_product_window", day) or 24,
    )


def clusters_of(rows: Iterable[AnyRow], limits: Limits, now: datetime, opened: Mapping[str, datetime]) -> list[Cluster]:
    """Every group there is, large or small. `opened`: when the newest incident of a key was opened; what came before it
    was looked at then and counts no more, so that a dismissed alarm does not ring again by itself.
    """
    branches: dict[str, list[AnyRow]] = defaultdict(list)
    products: dict[str, list[AnyRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.id):
        if row.branch and row.cause_l1 != _UNKNOWN:
            branches[f"branch:{row.branch}:{row.cause_l1}"].append(row)
        if row.product and (name := plain(row.product)):
            products[f"product:{name}"].append(row)
    found = []
    if limits.branch_count:
        for key, group in branches.items():
            if lately := _since(group, now, limits.branch_hours, opened.get(key)):
                branch, cause = lately[0].branch, lately[0].cause_l1
                found.append(Cluster(key, lately, limits.branch_hours, limits.branch_count, branch=branch, cause=cause))
    if limits.product_count:
        for key, group in products.items():
            if lately := _since(group, now, limits.product_hours, opened.get(key)):
                product = lately[0].product
                found.append(Cluster(key, lately, limits.product_hours, limits.product_count, product=product))
    return found


def _since(group: list[AnyRow], now: datetime, hours: int, opened: datetime | None) -> tuple[AnyRow, ...]:
    begin = now - timedelta(hours=hours)
    return tuple(row for row in group if row.created_at > begin and (opened is None or row.created_at > opened))
