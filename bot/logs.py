"""Logs without customers: Rasa and its libraries put messages, slots and whole requests into theirs."""

import logging
import sys
import warnings

import structlog

_OURS = "bot"


class _Redacting(logging.Formatter):
    """Our own lines as they are; of anybody else's only where it comes from and what kind of error it carries."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        safe = logging.makeLogRecord(record.__dict__)
        failure = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        # Tracebacks end in the error's own words, and those may quote the customer.
        safe.exc_info, safe.exc_text, safe.stack_info = None, None, None
        if record.name.partition(".")[0] != _OURS:
            safe.msg = f"({record.filename}:{record.lineno}, text withheld)"
            safe.args = ()
        if failure:
            safe.msg, safe.args = f"{safe.getMessage()} {failure}", ()
        return super().format(safe)


def configure_logging() -> None:
    """Everything from WARNING up goes to stderr, redacted. Call it before Rasa is imported: structlog prints by default."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Redacting())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # A line that does not fit its arguments is dropped: `logging` would print them.
    logging.raiseExceptions = False
    logging.captureWarnings(True)
    # Deprecations in libraries that we cannot change; the tests see them.
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    warnings.simplefilter("ignore", DeprecationWarning)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.stdlib.LoggerFactory(),
        processors=[structlog.stdlib.add_log_level, structlog.processors.KeyValueRenderer()],
        cache_logger_on_first_use=True,
    )
