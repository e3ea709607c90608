"""JSON lines on stderr. Never a message text, phone or name: what is logged are ids, codes, counts and durations."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from api.core.redaction import each_text, mask_for_log

# Loggers of libraries whose lines may quote what they handle (statements, URLs, bodies).
_QUIET = ("sqlalchemy", "httpx", "httpcore", "alembic", "asyncio", "redis", "multipart", "python_multipart")


def configure_logging() -> None:
    """For the process; tests leave logging alone."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _no_exception_values,
        _no_personal_numbers,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)


def _no_exception_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception's own message may quote a customer, so only its type and place are kept."""
    info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event.update(describe(error))
    return event


def _no_personal_numbers(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last net: nothing here should quote anybody, and if something does, its numbers are masked."""
    for name, value in event.items():
        event[name] = each_text(value, mask_for_log)
    return event


def describe(error: BaseException) -> dict[str, Any]:
    """Type and innermost places of a failure, without its message."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    cause = error.__cause__ or error.__context__
    return {
        "error": type(error).__name__,
        "cause": type(cause).__name__ if cause else None,
        "at": [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames],
    }


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(room=name)
    return logger
