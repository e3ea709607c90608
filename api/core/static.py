"""The built web parts: hashed files for a year, everything else asked again each time."""

import re
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_HASHED = re.compile(r"-[A-Za-z0-9_-]{8,}\.\w+$")
_YEAR = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"

_NOT_BUILT = """<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>页面还没有构建</title>
<p>这个页面还没有构建。请在项目目录运行 <code>make setup</code>（<code>make run</code> 会自动做），然后刷新。</p></html>"""


class WebPart(StaticFiles):
    """One folder of web/dist. `single_page`: addresses without a file belong to the page's own router."""

    def __init__(self, directory: Path, *, single_page: bool = False, shared: bool = False) -> None:
        super().__init__(directory=directory, html=True, check_dir=False)
        self.config_checked = True  # a missing folder is a page of ours, see get_response
        self._root = directory
        self._single_page = single_page
        self._shared = shared

    async def get_response(self, path: str, scope: Scope) -> Response:
        # Looked at per request: the parts may be built while the server runs.
        if not self._root.is_dir() and scope["method"] in ("GET", "HEAD"):
            return HTMLResponse(_NOT_BUILT, 404)
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404 or not self._single_page or "." in path.rsplit("/", 1)[-1]:
                raise
            response = await super().get_response("index.html", scope)
        response.headers["Cache-Control"] = _YEAR if _HASHED.search(path) else _ASK_AGAIN
        if self._shared:
            # The widget is loaded by the bank's own pages, from other origins.
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            response.headers["Access-Control-Allow-Origin"] = "*"
        return response
