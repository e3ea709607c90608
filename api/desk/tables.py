"""CSV over HTTP: how the desk takes and gives tables."""

from typing import Any

from fastapi import Request
from pydantic_core import ErrorDetails
from starlette.responses import Response

from api.core.errors import InvalidError, validation_details
from contract.table import CellError

_CSV_CONTENT = {"content": {"text/csv": {"schema": {"type": "string"}}}}
CSV_BODY: dict[str, Any] = {"requestBody": {**_CSV_CONTENT, "required": True}}
CSV_RESPONSE: dict[int | str, dict[str, Any]] = {200: {"description": "CSV，UTF-8", **_CSV_CONTENT}}


async def body_text(request: Request) -> str:
    try:
        return (await request.body()).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidError("文件应为 UTF-8 编码；在 Excel 里请另存为“CSV UTF-8（逗号分隔）”。") from error


def explain(error: ErrorDetails) -> str:
    return validation_details([error])[0]["message"]


def refusal(error: CellError) -> InvalidError:
    """Nothing was taken; `details` has the place for programs, the message for people."""
    detail = {"line": error.line, "column": error.column, "message": error.reason}
    return InvalidError(f"没有导入：{error}。", details=[detail])


def table(text: str, filename: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return Response(text.encode(), headers=headers, media_type="text/csv")
