"""The one error shape of every route: `{"error": {"code", "message", "details"}}`, messages in Chinese and actionable."""

from collections.abc import Mapping
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

    status, code, message = 404, "not_found", "没有这个地址或内容。"


class RateLimitedError(ApiError):
    """Too many calls; Retry-After says when to come back."""

    status, code, message = 429, "rate_limited", "操作太频繁，请稍后再试。"

    def __init__(self, retry_after: int) -> None:
        super().__init__(headers={"Retry-After": str(retry_after)})


class InvalidError(ApiError):
    """The payload cannot be used; `details` lists field and reason."""

    status, code, message = 422, "invalid_request", "提交的内容有误，请按提示修改。"


BY_STATUS = {
    400: ("bad_request", "请求格式有误。"),
    401: (UnauthorizedError.code, UnauthorizedError.message),
    403: (ForbiddenError.code, ForbiddenError.message),
    404: (NotFoundError.code, NotFoundError.message),
    405: ("method_not_allowed", "这个地址不支持该操作。"),
    413: ("payload_too_large", "内容过大，请缩短后再提交。"),
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
    "enum": "只能是 {expected}",
    "literal_error": "只能是 {expected}",
    "time_parsing": "应为 24 小时制的时:分，例如 09:00",
    "datetime_parsing": "应为 RFC 3339 时间，例如 2026-01-01T09:00:00+08:00",
    "datetime_from_date_parsing": "应为 RFC 3339 时间，例如 2026-01-01T09:00:00+08:00",
    "timezone_aware": "应带时区，例如 2026-01-01T09:00:00+08:00",
    "json_invalid": "不是正确的 JSON",
}


def error_response(
    status: int, code: str, message: str, details: Any = None, headers: Mapping[str, str] | None = None
) -> Response:
    body = to_json({"error": {"code": code, "message": message, "details": details}})
    return Response(body, status, headers=headers, media_type="application/json")


def validation_details(errors: list[ErrorDetails] | list[Any]) -> list[dict[str, str]]:
    """Field and Chinese reason of each mistake; never the value itself, which may be somebody's data."""
    details = []
    for error in errors:
        place = [str(part) for part in error["loc"] if part not in ("body", "query", "path", "header")]
        if error["type"] in ("value_error", "assertion_error"):
            reason = str(error["ctx"]["error"])
        else:
            reason = _REASONS.get(error["type"], "不符合要求").format_map(error.get("ctx") or {})
        details.append({"field": ".".join(place) or "内容", "message": reason})
    return details


def invalid(errors: list[ErrorDetails] | list[Any]) -> InvalidError:
    details = validation_details(errors)
    first = details[0]
    return InvalidError(f"{InvalidError.message}（{first['field']}：{first['message']}）", details=details)


def render(error: ApiError) -> Response:
    return error_response(error.status, error.code, error.text, error.details, error.headers)


def install_error_handlers(app: FastAPI) -> None:
    """Failures that are nobody's refusal (500) are rendered by the edge middleware, outside all of these."""

    @app.exception_handler(ApiError)
    async def _api_error(_: Request, error: ApiError) -> Response:
        return render(error)

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, error: RequestValidationError) -> Response:
        return render(invalid(list(error.errors())))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> Response:
        code, message = BY_STATUS.get(error.status_code, ("http_error", "请求没有成功。"))
        return error_response(error.status_code, code, message, headers=error.headers)
