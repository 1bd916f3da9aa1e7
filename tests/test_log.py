"""Logs say ids, codes and times; what a person typed, and the secret in a path, never."""

import json
import subprocess
import sys
from textwrap import dedent

from api import log
from tests.conftest import ROOT

CANARY = "yamada.hanako@mail.example"
PROGRAM = """
import asyncio, httpx, logging, structlog
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from api import log
from api.settings import from_environment
from tests.test_settings import GOOD

log.configure(from_environment(GOOD))
CANARY = "yamada.hanako@mail.example"
"""


def logged(program: str) -> list[dict[str, object]]:
    """The lines that a program of its own logs: pytest listens to the loggers of this one."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + dedent(program)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert CANARY not in done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_only_listed_keys_are_written() -> None:
    (line,) = logged('structlog.get_logger().info("request", status=200, path="/graphql", email=CANARY, name=CANARY)')
    assert line.pop("timestamp")
    assert line == {"event": "request", "level": "info", "status": 200, "path": "/graphql"}


def test_an_exception_is_its_type_and_places() -> None:
    """proof 5.13, for errors: the exception's own words are left out, and those that a library adds below."""
    ours, theirs = logged("""
        try:
            raise ValueError(CANARY)
        except ValueError:
            structlog.get_logger().exception("refused", code="INVALID")
            logging.getLogger("asyncio").exception("Task exception was never retrieved\\nfuture: %s", CANARY)
    """)
    assert str(ours["exception"]).startswith("ValueError < ")
    assert (theirs["event"], theirs["exception"]) == ("Task exception was never retrieved", ours["exception"])


def test_a_request_is_one_line_without_its_secrets() -> None:
    (line,) = logged("""
        async def answer(request):
            return PlainTextResponse("", 404)

        async def ask():
            app = log.AccessLog(Starlette(routes=[Route("/relay/{token}", answer)]))
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kyoso") as client:
                await client.get(f"/relay/{CANARY}?q={CANARY}")

        asyncio.run(ask())
    """)
    assert isinstance(line.pop("duration_ms"), float)
    assert line.pop("timestamp")
    assert line == {"event": "request", "level": "info", "method": "GET", "path": "/relay/…", "status": 404}


def test_the_token_in_a_personal_path_is_left_out() -> None:
    for path in ("/relay/s3cret", "/relay/me/s3cret", "/referral/s3cret", "/survey/s3cret", "/join/s3cret"):
        assert "s3cret" not in log.path_for_log(path)
    assert log.path_for_log("/healthz") == "/healthz"
