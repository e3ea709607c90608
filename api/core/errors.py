"""The one error shape of every route: `{"error": {"code", "message", "details"}}`, messages in Chinese and actionable."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import ErrorDetails, to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response


class ApiError(Exception):
    """A refusal that the caller can understand; subclasses stand beside the code that raises them."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    message: ClassVar[str] = "系统出了点问题，请稍后再试。"

    def __init__(
        self, message: str | None = None, *, details: Any = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.text = message or self.message
        self.details = details
        self.headers = headers
        super().__init__(self.text)


class StorageUnavailableError(ApiError):
    """The database is locked, full or gone; nothing of the request was stored."""

    status, code = 503, "storage_unavailable"
    message = "系统暂时无法保存，请稍后再试；刚才的内容没有提交。"


class UnauthorizedError(ApiError):
    """No valid token, session or key."""

    status, code, message = 401, "unauthorized", "请先登录，或检查令牌是否正确。"


class ForbiddenError(ApiError):
    """Known caller without the right."""

    status, code, message = 403, "forbidden", "您的账号没有这项权限，请联系管理员。"


class NotFoundError(ApiError):
    """No such address or thing."""

    status, code, message = 404, "not_found", "没有这个地址或内容，请核对地址和编号。"


class RateLimitedError(ApiError):
    """Too many calls; Retry-After says when to come back."""

    status, code, message = 429, "rate_limited", "操作太频繁，请稍后再试。"

    def __init__(self, retry_after: int) -> None:
        super().__init__(headers={"Retry-After": str(retry_after)})


class InvalidError(ApiError):
    """The payload cannot be used; `details` lists field and reason."""

    status, code, message = 422, "invalid_request", "提交的内容有误，请按提示修改。"


class ContradictionError(ApiError):
    """Every part is as described, but they contradict each other or how things are now."""

    status, code, message = 409, "contradiction", "提交的内容互相矛盾，或与现在的情况不符，请按提示修改。"


class BadRequestError(ApiError):
    """The request cannot be read at all."""

    status, code, message = 400, "bad_request", "请求读不懂，请检查内容是不是编码和格式正确、嵌套不太深的 JSON。"


class MethodNotAllowedError(ApiError):
    """The address exists; `Allow` says with which methods."""

    status, code, message = 405, "method_not_allowed", "这个地址不支持这种请求方法；请改用 Allow 响应头里列出的方法。"

    def __init__(self, allowed: Iterable[str]) -> None:
        methods = sorted(allowed)
        super().__init__(details={"allowed": methods}, headers={"Allow": ", ".join(methods)})


class PayloadTooLargeError(ApiError):
    """More than any route takes."""

    status, code, message = 413, "payload_too_large", "内容过大，请缩短后再提交。"


class NotJsonError(ApiError):
    """A body that says it is something else."""

    status, code = 415, "unsupported_media_type"
    message = "这里只接收 JSON，请把 Content-Type 请求头写成 application/json。"


class HeadersTooLargeError(ApiError):
    """Address and headers together are longer than anything that is meant."""

    status, code, message = (
        431,
        "headers_too_large",
        "网址和请求头过长，请缩短网址、Cookie 或其他请求头。",
    )


_BY_STATUS = {
    error.status: (error.code, error.message)
    for error in (BadRequestError, UnauthorizedError, ForbiddenError, NotFoundError, PayloadTooLargeError)
}

_REASONS = {
    "missing": "缺少这一项",
    "extra_forbidden": "没有这一项，请检查拼写",
    "string_too_short": "至少 {min_length} 个字",
    "string_too_long": "最多 {max_length} 个字",
    "string_type": "应为文字",
    "string_pattern_mismatch": "格式不对",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "int_from_float": "应为整数",
    "float_type": "应为数字",
    "float_parsing": "应为数字",
    "bool_type": "应为 true 或 false",
    "bool_parsing": "应为 true 或 false",
    "list_type": "应为列表",
    "tuple_type": "应为列表",
    "dict_type": "应为对象",
    "model_type": "应为对象",
    "model_attributes_type": "应为对象",
    "too_short": "至少 {min_length} 项",
    "too_long": "最多 {max_length} 项",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "greater_than": "应大于 {gt}",
    "contradiction": "{reason}",
    "enum": "只能是 {expected}",
    "literal_error": "只能是 {expected}",
    "time_parsing": "应为 24 小时制的时:分，例如 09:00",
    "datetime_parsing": "应为 RFC 3339 时间，例如 2026-01-01T09:00:00+08:00",
    "datetime_from_date_parsing": "应为 RFC 3339 时间，例如 2026-01-01T09:00:00+08:00",
    "timezone_aware": "应带时区，例如 2026-01-01T09:00:00+08:00",
    "json_invalid": "第 {position} 个字符起不是正确的 JSON",
}


def error_response(
    status: int, code: str, message: str, details: Any = None, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(body_of(code, message, details), status, headers=headers, media_type="application/json")


def body_of(code: str, message: str, details: Any = None) -> bytes:
    return to_json({"error": {"code": code, "message": message, "details": details}})


def validation_details(errors: list[ErrorDetails] | list[Any]) -> list[dict[str, str]]:
    """Field and Chinese reason of each mistake; never the value itself, which may be somebody's data."""
    details = []
    for error in errors:
        place = [str(part) for part in error["loc"] if part not in ("body", "query", "path", "header")]
        context = error.get("ctx") or {}
        if error["type"] == "json_invalid":
            context, place = {"position": int(place[0]) + 1}, []
        if error["type"] in ("value_error", "assertion_error"):
            reason = str(context["error"])
        else:
            reason = _REASONS.get(error["type"], "不符合要求").format_map(context)
        details.append({"field": ".".join(place) or "内容", "message": reason})
    return details


def invalid(errors: list[ErrorDetails] | list[Any]) -> ApiError:
    """What the description forbids; or, where nothing is but the parts do not go together, a contradiction."""
    # A list whose item was refused is counted without it; what is told of the item is enough.
    above = {error["loc"][:depth] for error in errors for depth in range(len(error["loc"]))}
    errors = [error for error in errors if error["loc"] not in above or error["type"] == "contradiction"] or errors
    details = validation_details(errors)
    kind = ContradictionError if all(error["type"] == "contradiction" for error in errors) else InvalidError
    first = details[0]
    return kind(f"{kind.message}（{first['field']}：{first['message']}）", details=details)


def render(error: ApiError) -> Response:
    return error_response(error.status, error.code, error.text, error.details, error.headers)


def _is_something_else(request: Request, errors: Sequence[Any]) -> bool:
    """The body cannot be used because it does not say that it is JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    said = kind == "application/json" or kind.endswith("+json")
    return not said and any(error["loc"] == ("body",) and error["type"] != "missing" for error in errors)


def install_error_handlers(app: FastAPI) -> None:
    """Failures that are nobody's refusal (500) are rendered by the edge middleware, outside all of these."""

    @app.exception_handler(ApiError)
    async def _api_error(_: Request, error: ApiError) -> Response:
        return render(error)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> Response:
        errors = list(error.errors())
        return render(NotJsonError() if _is_something_else(request, errors) else invalid(errors))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        if error.status_code == MethodNotAllowedError.status:
            named = (error.headers or {}).get("Allow", "").split(", ")
            return render(MethodNotAllowedError(request.app.state.addresses.methods(request.scope["path"]) or named))
        code, message = _BY_STATUS.get(error.status_code, ("http_error", "请求没有成功，请检查后再试。"))
        return error_response(error.status_code, code, message, headers=error.headers)
