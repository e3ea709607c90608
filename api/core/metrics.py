"""Counts and durations for Prometheus; labels are routes and codes, never anybody's data."""

from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """One app's registry, so that two apps in one process do not collide."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter("tingsu_http_requests", "请求数", "method", "route", "status")
        self.request_seconds = self._histogram("tingsu_http_request_seconds", "请求用时", "route")
        self.turns = self._counter("tingsu_turns", "对话轮次", "outcome")
        self.turn_seconds = self._histogram("tingsu_turn_seconds", "从收到消息到答复提交")
        self.messages = self._counter("tingsu_messages", "存下的消息", "role")
        self.tickets = self._counter("tingsu_tickets", "工单", "outcome")
        self.jobs = self._counter("tingsu_jobs", "后台任务", "job", "outcome")
        self.webhooks = self._counter("tingsu_webhook_deliveries", "推送的投递", "outcome")
        self.redis_failures = self._counter("tingsu_redis_failures", "Redis 不可用时改走后备的次数", "use")
        self.overdue = Gauge("tingsu_tickets_overdue", "办理中而超过时限的工单", ["clock"], registry=self.registry)
        # What is counted when somebody asks: several processes would otherwise tell what was true when they last looked.
        self.before_scrape: list[Callable[[], Awaitable[None]]] = []
        self.streams = Gauge("tingsu_open_streams", "打开的事件流", registry=self.registry)

    def render(self) -> bytes:
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=_SECONDS, registry=self.registry)
