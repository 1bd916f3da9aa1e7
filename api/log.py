"""Logs: one JSON object a line on standard error, without personal data by design.

Only the keys listed here are written; anything else is dropped, whoever passes it. The path of a request to a
personal page is its secret, so the pages below `SECRET_PATHS` are named by their first word alone.
"""

import json
import logging
import sys
import time
from collections.abc import MutableMapping
from contextlib import suppress
from functools import cached_property
from typing import Any, cast

import orjson
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.settings import Settings

KEYS = frozenset(
    {
        *("event", "level", "timestamp", "logger", "exception"),
        *("method", "path", "status", "duration_ms", "request_id"),
        *("operation", "plan", "cost", "rows", "statements"),
        *("client_id", "partner_id", "token_id", "code", "reason"),
        *("delivery_id", "event_id", "action", "attempt", "count", "source", "migration", "worker", "port"),
    }
)
"""What a log line may say: ids, codes, counts and times; never names, addresses, tokens or texts of people."""

SECRET_PATHS = ("/relay/", "/referral/", "/survey/", "/join/")


def configure(settings: Settings) -> None:
    """Sends structlog and the standard library's loggers to standard error, in the settings' format and level."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if settings.log_format == "console"
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    said: list[structlog.typing.Processor] = [name_exception, keep_listed_keys, renderer]
    structlog.configure(
        processors=[*shared, *said],
        # What the level drops costs nothing: it is not even put together.
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        # Our own lines do not go through the standard library's records, at seven times the cost.
        logger_factory=Lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, keep_first_line],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *said],
        )
    )
    logging.raiseExceptions = False  # a line that cannot be written would print its arguments
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    # Addresses with query strings, statements with their values: theirs to log, not ours to keep.
    for name in ("uvicorn.access", "tortoise", "asyncpg", "httpx", "httpcore"):
        logging.getLogger(name).setLevel("WARNING")


class Lines:
    """Writes each line to standard error at once. One that cannot be written is lost, and whoever logs goes on."""

    def __init__(self, *_name: object) -> None:
        pass

    def write(self, line: str) -> None:
        """Write one line."""
        with suppress(OSError, ValueError):
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = write


class AccessLog:
    """An ASGI application that logs the requests of another: method, path without secrets, status, milliseconds."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    @cached_property
    def logger(self) -> Any:
        """As logging is set up when the first request comes; bound once, for what is asked at each."""
        return structlog.get_logger("access").bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self.logger.is_enabled_for(logging.INFO):
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500  # what the server answers when the application raises

        async def note_status(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, note_status)
        finally:
            elapsed_ms = round((time.perf_counter() - began) * 1000, 1)
            path = path_for_log(scope["path"])
            self.logger.info("request", method=scope["method"], path=path, status=status, duration_ms=elapsed_ms)


def keep_listed_keys(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drops every key that is not in KEYS."""
    return {key: value for key, value in event.items() if key in KEYS}


def name_exception(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Writes an exception as its type and the places it passed: a message may quote what a person typed."""
    given: Any = event.pop("exc_info", None)
    error: Any = sys.exc_info()[1] if given is True else given
    if isinstance(given, tuple):
        _, error, _ = cast(tuple[Any, Any, Any], given)
    if isinstance(error, BaseException):
        event["exception"] = _describe(error)
    return event


def keep_first_line(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Cuts a library's message after its first line: asyncio, for one, quotes whole exceptions below it."""
    event["event"] = str(event["event"]).partition("\n")[0]
    return event


def path_for_log(path: str) -> str:
    """A request's path as it may be written: a personal page's token is left out."""
    for prefix in SECRET_PATHS:
        if path.startswith(prefix):
            return prefix + "…"
    return path


def _json(event: Any, **_: Any) -> str:
    try:
        return orjson.dumps(event, default=repr).decode()
    except orjson.JSONEncodeError:  # half a character, or a number beyond 64 bits
        return json.dumps(event, default=repr)


def _describe(error: BaseException) -> str:
    places: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/site-packages/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return " < ".join([type(error).__qualname__, *reversed(places)])
