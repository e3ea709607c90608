"""HTTP below the app: what is refused there has the one error shape, too, and the head of a request ends somewhere."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.core.errors import ApiError, HeadersTooLargeError, body_of

LONGEST_HEAD = 64 * 1024  # bytes; proxies in front usually end at 8 to 32 KB
_LINGER = 1.0  # seconds


class NotHttpError(ApiError):
    """Not even the server understands it."""

    status, code = 400, "not_http"
    message = "收到的不是正确的 HTTP 请求，请检查请求行、请求头和代理的设置。"


class Protocol(HttpToolsProtocol):
    """uvicorn's, which collects an endless head for ever."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._in_head, self._head, self._refused = True, 0, False

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > LONGEST_HEAD and not self._refused:
            self._refuse(HeadersTooLargeError())

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
        self._head = 0

    def on_message_complete(self) -> None:
        self._in_head = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(HeadersTooLargeError() if self._head > LONGEST_HEAD else NotHttpError())

    def _refuse(self, error: ApiError) -> None:
        body = body_of(error.code, error.text, error.details)
        head = (
            b"content-type: application/json\r\ncontent-length: %d\r\ncache-control: no-store\r\nconnection: close\r\n"
        )
        self.transport.write(STATUS_LINE[error.status] + head % len(body) + b"\r\n" + body)
        self.transport.write_eof()
        # What is still under way is read and dropped: closing at once would reset the connection before the answer is read.
        self._refused = True
        self.loop.call_later(_LINGER, self.transport.close)
