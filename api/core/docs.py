"""`/docs`: the OpenAPI description as one page without scripts; the usual viewer is loaded from the open internet."""

from html import escape
from typing import Any

_HEAD = """<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>听诉 接口文档</title>
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b2a33}
h2{margin-top:2rem;border-bottom:1px solid #d5dde2}details{margin:.4rem 0}summary{cursor:pointer}
code{background:#eef2f4;padding:.1rem .3rem;border-radius:.2rem}.m{display:inline-block;min-width:4rem;font-weight:700}
table{border-collapse:collapse;margin:.4rem 0}td{border:1px solid #d5dde2;padding:.15rem .5rem;vertical-align:top}</style>
</head><body><h1>听诉 接口文档</h1>
<p>机器可读的描述在 <a href="/openapi.json"><code>/openapi.json</code></a>。所有错误都是
<code>{"error": {"code", "message", "details"}}</code>。</p>"""


def docs_page(openapi: dict[str, Any]) -> str:
    groups: dict[str, list[str]] = {}
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            group = (operation.get("tags") or ["其他"])[0]
            groups.setdefault(group, []).append(_operation(method, path, operation, openapi))
    body = "".join(f"<h2>{escape(name)}</h2>{''.join(parts)}" for name, parts in groups.items())
    return f"{_HEAD}{body}</body></html>"


def _operation(method: str, path: str, operation: dict[str, Any], openapi: dict[str, Any]) -> str:
    rows = [
        (
            f"{parameter['name']} ({parameter['in']})",
            _type(parameter.get("schema", {})),
            parameter.get("required", False),
        )
        for parameter in operation.get("parameters", ())
    ]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if content:
        schema = _resolve(content, openapi)
        required = schema.get("required", ())
        rows += [(name, _type(value), name in required) for name, value in schema.get("properties", {}).items()]
    table = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{'必填' if needed else ''}</td></tr>"
        for name, kind, needed in rows
    )
    summary = f'<span class="m">{method.upper()}</span> <code>{escape(path)}</code>'
    text = escape(operation.get("description", ""))
    return f"<details><summary>{summary}</summary><p>{text}</p><table>{table}</table></details>"


def _resolve(schema: dict[str, Any], openapi: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref", "")
    found: dict[str, Any] = openapi["components"]["schemas"][reference.rsplit("/", 1)[-1]] if reference else schema
    return found


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(_type(part) for part in schema["anyOf"])
    return str(schema.get("$ref", "").rsplit("/", 1)[-1] or schema.get("format") or schema.get("type", ""))
