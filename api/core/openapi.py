"""`/openapi.json` beyond what the framework knows: every refusal has one shape, and each route says which it can give.

Which refusals a route has follows from what it takes: a body can be too large, a path can lead nowhere, a caller can be nobody.
What else a route answers with stands at the route (`responses=`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI

from api.core.errors import ApiError

_REF = {"$ref": "#/components/schemas/Error"}
_CUSTOMER = "conversation"
_WRITES = ("post", "put", "patch", "delete")
_TEXTS: Mapping[int, str] = {
    400: "请求读不懂",
    401: "没有登录，或者令牌、密钥不对",
    403: "没有这项权限",
    404: "没有这个地址或内容，或者不该让您知道有",
    408: "上传太慢",
    409: "与现在的状态冲突",
    410: "已经删除",
    413: "内容过大",
    415: "不是这里接收的内容类型",
    422: "提交的内容有误，details 逐项说明",
    431: "网址和请求头过长",
    429: "操作太频繁，Retry-After 秒后再试",
    500: "系统出错",
    503: "暂时不能服务，没有保存任何内容",
}


# Of a stream each event is described, and not the whole.
_EVENT = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("event", "data", "id")},
    "required": ["event", "data"],
}


def content(media_types: str | Sequence[str], told: str) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route that answers with a file or a stream."""
    named = (media_types,) if isinstance(media_types, str) else media_types
    bodies = {name: {"schema": _EVENT if name == "text/event-stream" else {"type": "string"}} for name in named}
    return {200: {"description": told, "content": bodies}}


# Replaced by our own shape.
_FRAMEWORK = ("HTTPValidationError", "ValidationError")


def describe(app: FastAPI) -> None:
    """Completes the description when it is first asked for; all rooms have been included by then."""
    plain = app.openapi

    def whole() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(plain())
        return app.openapi_schema

    app.openapi = whole  # type: ignore[method-assign]


def error_codes() -> dict[int, set[str]]:
    """Every code that there is, by status."""
    found: dict[int, set[str]] = {ApiError.status: {ApiError.code}}
    for error in _errors(ApiError):
        found.setdefault(error.status, set()).add(error.code)
    return found


def _errors(above: type[ApiError]) -> Iterator[type[ApiError]]:
    for error in above.__subclasses__():
        yield error
        yield from _errors(error)


def _completed(openapi: dict[str, Any]) -> dict[str, Any]:
    codes = error_codes()
    schemas = openapi.setdefault("components", {}).setdefault("schemas", {})
    for name in _FRAMEWORK:
        schemas.pop(name, None)
    schemas["Error"] = _error_schema(sorted(set().union(*codes.values())))
    schemes = openapi["components"].setdefault("securitySchemes", {})
    schemes[_CUSTOMER] = {"type": "http", "scheme": "bearer", "description": "这次对话的 token，开始对话时得到"}
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            _prove(operation)
            responses = operation["responses"]
            if "HTTPValidationError" in str(responses.get("422", "")):
                responses.pop("422")
            for status in sorted(_refusals(path, method, operation) | _declared(responses)):
                responses[str(status)] = {**responses.get(str(status), {}), **_refusal(status, codes)}
    return openapi


def _prove(operation: dict[str, Any]) -> None:
    """A customer's token is how one proves who one is, and no parameter (which the standard would have readers ignore)."""
    parameters = operation.get("parameters", [])
    others = [one for one in parameters if one["name"] != "authorization"]
    if len(others) == len(parameters):
        return
    operation["security"] = [{_CUSTOMER: []}, *operation.get("security", ())]
    operation["parameters"] = others


def _declared(responses: Mapping[str, Any]) -> set[int]:
    """Refusals named at the route, without a body of their own."""
    return {int(status) for status, told in responses.items() if int(status) >= 400 and "content" not in told}


def _refusals(path: str, method: str, operation: Mapping[str, Any]) -> set[int]:
    if not path.startswith("/v1/"):
        return set()
    parameters = operation.get("parameters", ())
    proofs = operation.get("security", ())
    found = {429, 503}
    found |= {401} if proofs else set()
    found |= {403} if any(_CUSTOMER not in proof for proof in proofs) else set()
    found |= {404} if "{" in path else set()
    found |= {422} if parameters or "requestBody" in operation else set()
    found |= {409} if method in _WRITES else set()
    return found | ({400, 413, 415} if "requestBody" in operation else set())


def _refusal(status: int, codes: Mapping[int, set[str]]) -> dict[str, Any]:
    told = f"{_TEXTS.get(status, '没有成功')}。code：{'、'.join(sorted(codes.get(status, ())))}"
    refusal: dict[str, Any] = {"description": told, "content": {"application/json": {"schema": _REF}}}
    if status == 429:
        refusal["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "秒"}}
    return refusal


def _error_schema(codes: list[str]) -> dict[str, Any]:
    error = {
        "type": "object",
        "required": ["code", "message", "details"],
        "additionalProperties": False,
        "properties": {
            "code": {"type": "string", "enum": codes},
            "message": {"type": "string", "description": "给人看的话，含下一步"},
            "details": {"description": "给程序的细节，没有时为 null"},
        },
    }
    return {"type": "object", "required": ["error"], "additionalProperties": False, "properties": {"error": error}}
