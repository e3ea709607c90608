"""Single sign-on: to the provider and back, and who that is here."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, delete, insert
from starlette.responses import RedirectResponse, Response

from api.core import audit
from api.core.context import Context, context
from api.core.errors import ApiError, NotFoundError
from api.core.logging import get_logger
from api.core.models import AnyRow, oidc_logins
from api.core.principals import COOKIE
from api.core.security import STAFF_ROLES, Role, hash_token, new_id, same_secret
from api.core.sessions import close_session
from api.core.settings import Settings
from api.desk import staff as accounts
from api.desk.oidc_client import Identity, OidcClient, OidcRefusedError
from api.desk.schemas import Username
from api.desk.sessions import enter, set_cookies

router = APIRouter(tags=["工作人员"])

_STATE = "tingsu_oidc"
_PATIENCE = timedelta(minutes=10)  # between leaving for the provider and coming back
_DESK = "/desk/"
_LONGEST_NAME = 200  # of a claim that is looked at; whether it may be a username is another question
_USERNAME = TypeAdapter(Username)

logger = get_logger("oidc")


class OidcOffError(NotFoundError):
    """No provider is set up here."""

    code, message = "oidc_off", "这里没有启用统一身份认证，请用账号密码登录。"


class UnknownStaffError(ApiError):
    """The provider knows this person; here nobody gave them an account or a role."""

    status, code = 403, "oidc_unknown_staff"
    message = "您已通过统一身份认证，但在听诉里还没有账号或角色，请联系管理员。"


class NoUnitsError(ApiError):
    """Whoever belongs nowhere would see too much or nothing: a supervisor without units sees every sealed matter."""

    status, code = 403, "oidc_no_units"
    message = "统一身份认证没有给出您的部门，不能登录。请联系管理员：在统一身份认证里为您设置部门（声明 {claim}）。"

    def __init__(self, claim: str) -> None:
        super().__init__(self.message.format(claim=claim))


class UnusableNameError(ApiError):
    """It would stand in the audit chain, where it could be taken for somebody or something else."""

    status, code = 403, "oidc_unusable_name"
    message = (
        "统一身份认证给的用户名不能在听诉里使用，没有建立账号。请联系管理员：用户名应为 2 到 64 个字母、数字、点、下划线或连字符，"
        "不能是系统保留的名字；可以用 TINGSU_OIDC_USERNAME_CLAIM 换一个声明。"
    )


@router.get("/v1/staff/oidc")
async def oidc_state(request: Request) -> dict[str, Any]:
    """是否启用统一身份认证，登录页据此显示入口。"""
    settings = context(request).settings
    return {"enabled": settings.oidc_issuer is not None, "login": "/v1/staff/oidc/login"}


@router.get("/v1/staff/oidc/login", response_class=RedirectResponse, status_code=302, responses={404: {}})
async def oidc_login(request: Request) -> Response:
    """转到统一身份认证登录。"""
    ctx, client = context(request), _client(request)
    state, nonce, verifier = new_id(), new_id(), new_id() + new_id()
    where = await client.login_url(redirect_uri=_callback(request), state=state, nonce=nonce, verifier=verifier)
    now = ctx.clock.now()
    row = {"state_hash": hash_token(state), "nonce": nonce, "verifier": verifier, "created_at": now}

    def write(connection: Connection) -> None:
        connection.execute(delete(oidc_logins).where(oidc_logins.c.created_at < now - _PATIENCE))
        connection.execute(insert(oidc_logins), row)

    await ctx.db.write(write)
    answer = RedirectResponse(where, 302)
    # Lax: the provider's redirect back comes from another site, and has to bring it.
    answer.set_cookie(
        _STATE, state, max_age=int(_PATIENCE.total_seconds()), httponly=True, samesite="lax",
        secure=ctx.settings.cookie_secure, path="/v1/staff/oidc",
    )  # fmt: skip
    return answer


@router.get("/v1/staff/oidc/callback", response_class=RedirectResponse, status_code=303, responses={404: {}})
async def oidc_callback(
    request: Request,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
) -> Response:
    """从统一身份认证回来：核对无误就开始会话，回到工作台。"""
    ctx, client = context(request), _client(request)
    began = await _took_up(ctx, request.cookies.get(_STATE, ""), state)
    if not code:
        raise OidcRefusedError
    who = await client.identity(code=code, redirect_uri=_callback(request), nonce=began.nonce, verifier=began.verifier)

    def write(connection: Connection) -> tuple[str, str] | ApiError:
        account = _account(connection, ctx, who)
        if isinstance(account, ApiError):
            return account
        return enter(connection, ctx, request, account, "oidc", id_token=who.id_token), account.username

    entered = await ctx.db.write(write)
    if isinstance(entered, ApiError):
        logger.warning("oidc_refused", code=entered.code)
        raise entered
    token, username = entered
    answer = RedirectResponse(_DESK, 303)
    set_cookies(answer, ctx, token, username)
    answer.delete_cookie(_STATE, path="/v1/staff/oidc")
    return answer


@router.get("/v1/staff/oidc/logout", response_class=RedirectResponse, status_code=303)
async def oidc_logout(request: Request) -> Response:
    """退出：结束这里的会话，再到统一身份认证退出。"""
    ctx, token = context(request), request.cookies.get(COOKIE)
    ended = await ctx.db.write(lambda connection: close_session(connection, token)) if token else None
    where = None
    if ended is not None and ended.id_token is not None:
        where = await _client(request).logout_url(ended.id_token, str(request.base_url).rstrip("/") + _DESK)
    answer = RedirectResponse(where or _DESK, 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def _client(request: Request) -> OidcClient:
    found: OidcClient | None = request.app.state.oidc
    if found is None:
        raise OidcOffError
    return found


def _callback(request: Request) -> str:
    return context(request).settings.oidc_redirect_uri or str(request.url_for("oidc_callback"))


async def _took_up(ctx: Context, kept: str, state: str) -> AnyRow:
    """The login that this browser began; once, so that a code cannot be handed in twice."""
    if not state or not same_secret(kept, state):
        raise OidcRefusedError
    taken = delete(oidc_logins).where(oidc_logins.c.state_hash == hash_token(state))
    columns = (oidc_logins.c.nonce, oidc_logins.c.verifier, oidc_logins.c.created_at)
    row = await ctx.db.write(lambda connection: connection.execute(taken.returning(*columns)).one_or_none())
    if row is None or abs(ctx.clock.now() - row.created_at) > _PATIENCE:
        raise OidcRefusedError
    return row


def _account(connection: Connection, ctx: Context, who: Identity) -> AnyRow | ApiError:
    """The account of this identity, with the rights that the provider says today; or why it may not come in."""
    settings, now = ctx.settings, ctx.clock.now()
    subject, rights = f"{settings.oidc_issuer}#{who.subject}"[:255], _rights(settings, who)
    username = str(who.claims.get(settings.oidc_username_claim) or "")[:_LONGEST_NAME]
    account = accounts.find_by_subject(connection, subject)
    if account is None and username:
        account = accounts.find_by_subject(connection, accounts.awaited_subject(username))
    if account is None:
        role = rights.get("role") if settings.oidc_provision and username else None
        refused = _without_units(settings, role, rights) if role else UnknownStaffError()
        return refused or _provision(connection, username, subject, who, rights, ctx)
    refused = _refusal(connection, settings, account, rights)
    if refused is not None:
        audit.note(connection, who=account.username, action="staff.oidc_refused", subject=account.username, now=now)
        return refused
    if account.oidc_subject != subject:
        accounts.change(connection, account, {"oidc_subject": subject}, who="oidc", action="link", now=now)
    return _refreshed(connection, account, rights, ctx)


def _refusal(connection: Connection, settings: Settings, account: AnyRow, rights: dict[str, Any]) -> ApiError | None:
    if not account.active or (settings.oidc_roles and not rights.get("role")):
        return UnknownStaffError()
    stays = _is_last_admin(connection, account)
    return _without_units(settings, account.role if stays else rights.get("role", account.role), rights)


def _without_units(settings: Settings, role: str, rights: dict[str, Any]) -> ApiError | None:
    if not settings.oidc_units_claim or rights["units"] or role in (Role.AUDITOR, Role.ADMIN):
        return None
    return NoUnitsError(settings.oidc_units_claim)


def _is_last_admin(connection: Connection, account: AnyRow) -> bool:
    return account.role == Role.ADMIN and not accounts.other_admins(connection, account.username)


def _rights(settings: Settings, who: Identity) -> dict[str, Any]:
    """`role` and `units` as claims give them; the strongest role of several groups."""
    rights: dict[str, Any] = {}
    groups = _listed(who.claims.get(settings.oidc_role_claim))
    given = {settings.oidc_roles[group] for group in groups if group in settings.oidc_roles}
    for role in (Role.ADMIN, Role.SUPERVISOR, Role.HANDLER, Role.AGENT, Role.AUDITOR):
        if role in given and role in STAFF_ROLES:
            rights["role"] = role
            break
    if settings.oidc_units_claim:
        told = (unit.strip()[:64] for unit in _listed(who.claims.get(settings.oidc_units_claim)))
        rights["units"] = [unit for unit in told if unit][:32]
        rights["unit"] = rights["units"][0] if rights["units"] else None
    return rights


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    return [str(item) for item in value] if isinstance(value, list) else []


def _provision(
    connection: Connection, username: str, subject: str, who: Identity, rights: dict[str, Any], ctx: Context
) -> AnyRow | ApiError:
    """Refused where a local account has that name: it is somebody else's until an administrator says otherwise."""
    if accounts.find(connection, username) is not None:
        return UnknownStaffError()
    try:
        _USERNAME.validate_python(username)
    except ValidationError:
        return UnusableNameError()
    accounts.add(
        connection,
        username=username,
        password="",
        now=ctx.clock.now(),
        who="oidc",
        oidc_subject=subject,
        display_name=str(who.claims.get("name") or username)[:64],
        **{"unit": None, **rights},
    )
    return accounts.find(connection, username) or UnknownStaffError()


def _refreshed(connection: Connection, account: AnyRow, rights: dict[str, Any], ctx: Context) -> AnyRow:
    changed = {name: value for name, value in rights.items() if getattr(account, name) != value}
    if _is_last_admin(connection, account):
        changed.pop("role", None)
    if not changed:
        return account
    accounts.change(connection, account, changed, who="oidc", action="change", now=ctx.clock.now())
    found = accounts.find(connection, account.username)
    return account if found is None else found
