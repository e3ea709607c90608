"""Puts the rooms together: one FastAPI app, everything it needs made at start and closed at the end."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx
from fastapi import FastAPI, Request
from sqlalchemy import Connection, Engine, inspect
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import HTMLResponse, RedirectResponse

from api.channels.web import attachments
from api.channels.web import endpoints as web_channel
from api.conversations import endpoints as conversations
from api.conversations.personal import PersonalTalks
from api.conversations.repository import may_read
from api.core import health
from api.core.addresses import Addresses, WrittenOut
from api.core.audit import begin
from api.core.bus import Bus
from api.core.clock import Clock
from api.core.context import Context
from api.core.crypto import Cipher, WrongKeyError
from api.core.db import Database
from api.core.docs import docs_page
from api.core.edge import Edge, Larger
from api.core.errors import install_error_handlers
from api.core.files.upload import OVERHEAD
from api.core.health import Watched
from api.core.jobs import Jobs
from api.core.logging import get_logger
from api.core.metrics import Metrics
from api.core.models import audit_head, metadata
from api.core.openapi import describe
from api.core.redis import Redis
from api.core.rotation import check_keys, rotate_if_needed
from api.core.sealing import log_anchor, seal_from_the_start
from api.core.security import ApiKeys
from api.core.serving import serve
from api.core.settings import Settings
from api.core.static import WebPart
from api.core.workplace import sweep
from api.desk import accounts, api_keys, audit, branches, clusters, directory, incidents, oidc, sessions, stream
from api.desk.oidc_client import OidcClient
from api.desk.staff import FIRST_ACCOUNT, ensure_admin
from api.dialogue import repository, understanding
from api.dialogue.client import BotClient
from api.dialogue.commit import say_once
from api.dialogue.turns import Turns
from api.migrations.run import LockedError, migrate, one_at_a_time
from api.tickets import endpoints as tickets
from api.tickets import public, traces
from api.tickets.calendar import WorkCalendar
from api.tickets.columns import Columns
from api.tickets.evidence import endpoints as ticket_evidence
from api.tickets.evidence.personal import evidence_keeper
from api.tickets.evidence.service import Evidence
from api.tickets.evidence.upkeep import Upkeep
from api.tickets.handoff import endpoints as handoff
from api.tickets.handoff.reconciliation import endpoints as reconciliations
from api.tickets.handoff.service import HandOff
from api.tickets.handoff.webhooks import endpoints as webhooks
from api.tickets.handoff.webhooks.service import Webhooks
from api.tickets.links import endpoints as links
from api.tickets.notices import endpoints as notices
from api.tickets.privacy import endpoints as privacy
from api.tickets.privacy.person import Persons
from api.tickets.privacy.retention import Ending
from api.tickets.search.upkeep import index_rest, keep_up
from api.tickets.service import Tickets
from api.tickets.timekeeping import Timekeeper
from api.tickets.timers import LOOK_EVERY, RECOUNT_EVERY, count_overdue, look, recount
from contract.playbook import Playbook
from contract.playbook_loader import load_playbook

logger = get_logger("api")

_ROOMS = (
    web_channel, attachments, public, handoff, webhooks, reconciliations, tickets, links, ticket_evidence, privacy, notices, conversations,
    understanding, sessions, stream, branches, incidents, health, accounts, api_keys, audit, oidc,
)  # fmt: skip

_UPLOADS = re.compile(r"/v1/(conversations|tickets)/[^/]+/attachments")


def create_app(settings: Settings | None = None) -> FastAPI:
    """Raises PlaybookError, WrongKeyError or ValueError at start, each with a sentence for the operator."""
    settings = settings or Settings()
    playbook = load_playbook(settings.playbook)
    ctx = make_context(settings)
    app = FastAPI(
        title="听诉",
        version="1",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.context = ctx
    app.state.playbook = playbook
    app.state.bot = BotClient(settings.bot_url, ctx.internal_bearer, settings.bot_deadline)
    app.state.turns = Turns(ctx.db, ctx.bus, app.state.bot, ctx.clock, ctx.metrics)
    app.state.turns.notice_after = settings.notice_after
    app.state.turns.backlog = settings.backlog_limit
    app.state.turns.address = playbook.organisation.address
    say = partial(say_once, form=playbook.organisation.address)
    time = Timekeeper(playbook, WorkCalendar(playbook.calendar))
    columns = Columns(playbook.export, playbook.taxonomy)
    app.state.tickets = Tickets(
        ctx,
        playbook,
        time,
        columns,
        repository.values_of,
        may_read=may_read,
        ask_rating=partial(say, asks="satisfaction"),
        say=say,
    )
    app.state.handoff = HandOff(ctx)
    app.state.webhooks = Webhooks(ctx, app.state.handoff.courier)
    app.state.evidence = evidence = Evidence(app.state.tickets)
    app.state.turns.adopt = evidence.adopt
    app.state.persons = Persons(ctx, make_ending(ctx.db, ctx.clock, playbook, evidence.upkeep))
    app.state.oidc = OidcClient(settings) if settings.oidc_issuer else None
    app.state.probe = httpx.AsyncClient(trust_env=False)
    app.state.watched = _watched(evidence)
    install_error_handlers(app)
    describe(app)
    for room in _ROOMS:
        app.include_router(room.router)
    _add_pages(app, settings)
    app.state.addresses = Addresses(app.routes)
    app.add_middleware(WrittenOut, addresses=app.state.addresses)
    if settings.widget_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.widget_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
        )
    uploads = Larger(_UPLOADS, playbook.evidence.largest + OVERHEAD, evidence.receiving.too_large())
    app.add_middleware(Edge, metrics=ctx.metrics, larger=uploads)
    return app


def make_context(settings: Settings, db: Database | None = None) -> Context:
    """With a database of its own, made when missing, or with `db`."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    metrics = Metrics()
    redis = Redis(settings.redis_url, settings.redis_prefix, metrics)
    db = db or Database(settings.sql_url, Cipher(settings.key_ring))
    return Context(
        settings=settings,
        clock=Clock(settings.clock, settings.clock_started),
        cipher=db.cipher,
        db=db,
        redis=redis,
        bus=Bus(redis),
        jobs=Jobs(db, metrics),
        metrics=metrics,
        api_keys=ApiKeys(settings.api_keys),
        internal_bearer=settings.internal_bearer(),
    )


def make_ending(db: Database, clock: Clock, playbook: Playbook, upkeep: Upkeep | None = None) -> Ending:
    """What ends personal data, with every room that keeps some. Without `upkeep` (a command) files go in its next night."""
    keepers = [evidence_keeper(upkeep)]
    return Ending(db, clock, playbook.retention, PersonalTalks(), keepers)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    ctx: Context = app.state.context
    held = await asyncio.to_thread(serve, ctx.settings.data_dir)
    try:
        new = await asyncio.to_thread(ctx.db.migrate, _migrated)
        reset = await asyncio.to_thread(
            ctx.db.setup, lambda connection: _prepare(connection, ctx, app.state.tickets, new=new)
        )
    except (WrongKeyError, LockedError) as error:
        logger.error("cannot_start", reason=str(error))
        held.close()
        await ctx.db.close()
        raise
    if reset:
        await sessions.forget_guesses(ctx, FIRST_ACCOUNT)
    await asyncio.to_thread(sweep, ctx.settings.exports_dir)
    ctx.jobs.every("rotate_keys", 20.0, lambda: rotate_if_needed(ctx.db, ctx.cipher, metadata, ctx.clock.now, keep_up))
    upkeep: Upkeep = app.state.evidence.upkeep
    await upkeep.sweep()
    ctx.jobs.every("search_index", 3600.0, partial(index_rest, ctx.db))
    ctx.jobs.every("scan_evidence", 60.0, upkeep.scan)
    ctx.jobs.every("seal_audit", 3600.0, partial(seal_from_the_start, ctx.db))
    ctx.jobs.daily("audit_anchor", "02:10", partial(log_anchor, ctx.db))
    ctx.jobs.daily("optimise", "04:20", ctx.db.optimise)
    ctx.jobs.daily("tidy_evidence", "03:10", upkeep.tidy)
    ctx.jobs.every("clocks", LOOK_EVERY, lambda: look(app.state.tickets))
    ctx.jobs.every("calendar", RECOUNT_EVERY, lambda: recount(app.state.tickets))
    ctx.metrics.before_scrape.append(lambda: count_overdue(app.state.tickets))
    ctx.jobs.daily("end_personal_data", "02:30", partial(_end_personal_data, app.state.persons.ending))
    ctx.bus.start()
    ctx.jobs.every("clusters", clusters.SECONDS, clusters.ClusterWatch(ctx, app.state.playbook))
    await app.state.turns.start()
    await app.state.handoff.start()
    ctx.jobs.start()
    logger.info("started", database="sqlite" if ctx.db.is_sqlite else "postgresql", shifted_clock=ctx.clock.shifted)
    try:
        yield
    finally:
        ctx.bus.close_streams()
        await ctx.jobs.stop()
        await app.state.handoff.stop()
        await app.state.turns.stop()
        await ctx.bus.stop()
        await app.state.bot.close()
        await app.state.probe.aclose()
        if app.state.oidc is not None:
            await app.state.oidc.close()
        await ctx.redis.close()
        await ctx.db.close()
        held.close()
        logger.info("stopped")


def _watched(evidence: Evidence) -> dict[str, Watched]:
    """What readiness names beside database, Redis, bot and actions."""
    files, scanner = evidence.receiving.vault.store, evidence.receiving.scanner
    found = {"files": Watched(files.check, "附件存储用不了：照片和文件收不进也打不开，消息和工单不受影响。")}
    if scanner.address is not None:
        without = "查毒服务（clamd）没有响应：新收的附件先存着、打不开，恢复后自动补查；消息和工单不受影响。"
        found["scanner"] = Watched(scanner.check, without)
    return found


async def _end_personal_data(ending: Ending) -> None:
    done = await ending.run()
    logger.info("personal_data_ended", tickets=done.tickets, conversations=done.conversations, held=len(done.held))


def _migrated(engine: Engine) -> bool:
    """Whether the audit chain begins with this schema."""
    begins = not inspect(engine).has_table(audit_head.name)
    migrate(engine)
    return begins


def _prepare(connection: Connection, ctx: Context, tickets: Tickets, *, new: bool) -> bool:
    """Whether the settings have set a new password for the first account."""
    one_at_a_time(connection)
    begin(connection, new=new)
    check_keys(connection, ctx.cipher, metadata, ctx.clock.now())
    traces.adopt(connection)
    reset = ensure_admin(connection, ctx.settings, ctx.clock.now())
    directory.fill(connection, tickets.playbook.branches, ctx.clock.now())
    tickets.time.register(connection, ctx.clock.now())
    return reset


def _add_pages(app: FastAPI, settings: Settings) -> None:
    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/demo/", 307)

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(docs_page(request.app.openapi()))

    app.mount("/widget", WebPart(settings.web_dist / "widget", shared=True))
    app.mount("/demo", WebPart(settings.web_dist / "demo"))
    app.mount("/desk", WebPart(settings.web_dist / "desk", single_page=True))
