"""The whole application on a real port over its own database, and short words for what API tests do again and again."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn
from graphql import OperationDefinitionNode, OperationType, parse
from starlette.applications import Starlette

from api.app import create_app
from api.cli.serve import SERVER_OPTIONS
from api.settings import Settings
from auth.scopes import PARTNER_SCOPES
from models import db, lane
from models.client import create_client
from models.db import unit_of_work
from planner import Planner
from tests.builders import MASTER_KEY

ALL = tuple(sorted(PARTNER_SCOPES))
_check, _checked = Planner.check, list[int]()


@dataclass
class Served:
    """The running server and its database."""

    issuer: str
    http: httpx.AsyncClient
    database: str
    mails: Path
    statements: list[str]
    app: Starlette
    _tokens: dict[tuple[UUID | None, tuple[str, ...]], str] = field(default_factory=dict)

    async def token(self, partner_id: UUID | None, scope: Iterable[str] = ALL) -> str:
        """An access token of a new client of this partner (None: the operator), from the token endpoint."""
        name = (partner_id, tuple(scope))
        if name not in self._tokens:
            async with unit_of_work() as connection:
                client = await create_client(connection, name="test", scope=name[1], partner_id=partner_id)
            answer = await self.http.post(
                "/oauth/token",
                data={"grant_type": "client_credentials", "scope": " ".join(name[1])},
                auth=(client.client_id, client.client_secret or ""),
            )
            assert answer.status_code == 200, answer.text
            self._tokens[name] = answer.json()["access_token"]
        return self._tokens[name]

    async def post(self, text: str, token: str | None, variables: dict[str, Any] | None = None) -> httpx.Response:
        """One GraphQL request, as it is answered."""
        headers = {"Accept": "application/graphql-response+json"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )
        return await self.http.post("/graphql", json={"query": text, "variables": variables}, headers=headers)

    async def insist(self, text: str, token: str | None, variables: dict[str, Any] | None = None) -> httpx.Response:
        """`post`, coming again as told for as long as the answer is 503: where many ask at once and cores are short,
        some are."""
        while (answer := await self.post(text, token, variables)).status_code == 503:  # noqa: ASYNC110  (as told)
            await asyncio.sleep(float(answer.headers["retry-after"]))
        return answer

    async def ask(
        self,
        partner_id: UUID | None,
        text: str,
        variables: dict[str, Any] | None = None,
        *,
        scope: Iterable[str] = ALL,
    ) -> dict[str, Any]:
        """The data of an answer without errors. A question must have cost exactly one SQL statement."""
        token = await self.token(partner_id, scope)
        self.statements.clear()
        answer = (await self.post(text, token, variables)).json()
        assert "errors" not in answer, answer
        if _is_question(text) and "personal" not in text:
            assert len(self.statements) == 1, self.statements
        return answer["data"]

    async def errors(
        self,
        partner_id: UUID | None,
        text: str,
        variables: dict[str, Any] | None = None,
        *,
        scope: Iterable[str] = ALL,
    ) -> list[dict[str, Any]]:
        """The errors of an answer that must have some."""
        return (await self.post(text, await self.token(partner_id, scope), variables)).json()["errors"]


class Watched:
    """The pool as the GraphQL endpoint sees it, noting what runs on its connections meanwhile.

    The driver's own look-ups of types, once a connection, are not the endpoint's statements.
    """

    def __init__(self, statements: list[str]) -> None:
        self.statements = statements

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        def note(query: Any) -> None:
            if "typeinfo_tree" not in query.query and "'jit'" not in query.query:
                self.statements.append(query.query)

        async with db.pool().acquire() as connection:
            connection.add_query_logger(note)
            try:
                yield connection
                await asyncio.sleep(0)  # the driver tells its loggers on the loop's next turn
            finally:
                connection.remove_query_logger(note)


async def _check_once(planner: Planner, connection: Any, standings: Iterable[Any]) -> int:
    """That schema and database agree, seen at the first start: they are the same ones for every test, and it takes
    longer than most of them."""
    if not _checked:
        _checked.append(await _check(planner, connection, standings))
    return _checked[0]


def _is_question(text: str) -> bool:
    operations = [each for each in parse(text).definitions if isinstance(each, OperationDefinitionNode)]
    return all(each.operation is OperationType.QUERY for each in operations)


@asynccontextmanager
async def serving(database: str, directory: Path, *, port: int = 0, **settings: Any) -> AsyncIterator[Served]:
    """The application as `./kyoso serve` runs it, in this process, so that its statements can be counted."""
    statements: list[str] = []
    options = {**SERVER_OPTIONS, "log_level": "warning", "lifespan": "on"}
    server = uvicorn.Server(uvicorn.Config("", port=port, **options))
    listener = server.config.bind_socket()
    issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.config.app = app = create_app(Settings(database, database, issuer, MASTER_KEY, directory, **settings))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lane.Lane, "acquire", lambda _: Watched(statements).acquire())
        patch.setattr(Planner, "check", _check_once)
        working = asyncio.create_task(server.serve([listener]))
        while not server.started:
            if working.done():
                working.result()
                raise RuntimeError("the application did not start: see its log")
            await asyncio.sleep(0.01)
        try:
            async with httpx.AsyncClient(base_url=issuer, timeout=60) as http:
                yield Served(issuer, http, database, directory / "mail", statements, app)
        finally:
            server.should_exit = True
            await working


@pytest.fixture(name="served")
async def running(database: str, tmp_path: Path) -> AsyncIterator[Served]:
    """The running application over a database of this test's own."""
    async with serving(database, tmp_path) as served:
        yield served
