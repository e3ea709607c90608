"""Which complaints of the last hours are one cluster. Pure; the numbers are thresholds of `sla.yml`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from api.core.models import AnyRow
from api.tickets.similarity import plain
from contract.sla import Sla

UNKNOWN = "C99"  # tickets of no known cause have no cause in common


@dataclass(frozen=True, slots=True)
class Limits:
    """`*_count` customers within `*_hours`; a count of None (no value in force) switches the rule off."""

    branch_count: int | None
    branch_hours: int
    product_count: int | None
    product_hours: int

    @property
    def longest(self) -> timedelta:
        return timedelta(hours=max(self.branch_hours, self.product_hours))


@dataclass(frozen=True, slots=True)
class Group:
    """Tickets of one branch and cause, or of one product in every way it is written; `key` names it in words that do not change.

    `customers` is as many as there may be, who wrote a product in two ways counts twice; `loose` tickets belong to no incident.
    """

    key: str
    hours: int
    least: int
    customers: int
    loose: int
    branch: str | None = None
    cause: str | None = None
    products: tuple[str, ...] = ()

    def since(self, now: datetime, opened: datetime | None) -> datetime:
        """`opened`: when the newest incident of the key was opened; what came before it was looked at then and counts no more,
        so that a dismissed alarm does not ring again by itself.
        """
        begin = now - timedelta(hours=self.hours)
        return begin if opened is None else max(begin, opened)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A group with its tickets, the oldest first."""

    group: Group
    rows: tuple[AnyRow, ...]

    @property
    def customers(self) -> int:
        return len({row.customer for row in self.rows})

    @property
    def alarms(self) -> bool:
        return self.customers >= self.group.least


def limits_on(sla: Sla, day: date) -> Limits:
    return Limits(
        branch_count=sla.threshold("cluster_branch_hour", day),
        branch_hours=sla.threshold("cluster_branch_window", day) or 1,
        product_count=sla.threshold("cluster_product_day", day),
        product_hours=sla.threshold("cluster_product_window", day) or 24,
    )


def branch_groups(counted: Iterable[AnyRow], limits: Limits) -> Iterator[Group]:
    for row in counted:
        key = f"branch:{row.branch}:{row.cause_l1}"
        yield Group(
            key, limits.branch_hours, limits.branch_count or 0, row.customers, row.loose, row.branch, row.cause_l1
        )


def product_groups(counted: Iterable[AnyRow], limits: Limits) -> Iterator[Group]:
    """`counted` by the customers' own words."""
    alike: dict[str, list[AnyRow]] = {}
    for row in counted:
        if name := plain(row.product):
            alike.setdefault(name, []).append(row)
    for name, rows in alike.items():
        yield Group(
            f"product:{name}",
            limits.product_hours,
            limits.product_count or 0,
            sum(row.customers for row in rows),
            sum(row.loose for row in rows),
            products=tuple(row.product for row in rows),
        )
