"""The README and docs/: what they name exists, and what they ask is answered by the running application."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from click.testing import CliRunner
from graphql import OperationDefinitionNode, OperationType, build_schema, parse, validate

from api.cli import COMMANDS, main
from models import outbox
from models.db import unit_of_work
from tests import builders
from tests.conftest import ROOT
from tests.conversation import conversation
from tests.served import Served, running

__all__ = ["running"]

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"graphql", "sh", "sql", "nginx", "python", "js", "csv", "text"}
"""csv and text are shown, not run: a file's columns (its own test imports it), a diagram."""

OWN_HOSTS = ("127.0.0.1", "example.jp", "example.com", "www.rfc-editor.org", "github.com")
DEEPER = "create|list|rotate|delete|connect|failures|replay|role|reset|set|show|remove"
COMMAND = re.compile(rf"\./kyoso (?P<words>[a-z]+(?: (?:{DEEPER}))?)(?P<rest>[^`\n#|;]*)")
COMMAND_SECONDS = 120


@dataclass(frozen=True)
class Block:
    """A fenced block, and where it stands."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    found = [
        Block(page, text.count("\n", 0, match.start()) + 1, match["language"].strip(), match["text"])
        for page in PAGES
        for text in [page.read_text(encoding="utf-8")]
        for match in BLOCK.finditer(text)
    ]
    return [block for block in found if not languages or block.language in languages]


def prose(page: Path) -> str:
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


# ── What every page keeps ─────────────────────────────────────────────────────────────────────────────────────────────


def test_every_block_is_in_a_language_that_is_known_here() -> None:
    assert [
        f"{block}: {block.language or 'no language'}" for block in blocks() if block.language not in LANGUAGES
    ] == []
    assert len(blocks("graphql")) >= 3
    fences = {page: page.read_text(encoding="utf-8").count("```") for page in PAGES}
    assert fences == {page: 2 * sum(block.page == page for block in blocks()) for page in PAGES}


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith("https://"):
            continue
        name, _, anchor = unquote(target).partition("#")
        place = (page.parent / name).resolve() if name else page
        if not place.exists() or (anchor and anchor not in anchors(place)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page: Path) -> None:
    rooms = "api|auth|bench|docs|models|planner|schema|tests|web"
    named = re.findall(rf"`((?:{rooms})/[\w./-]*)`", prose(page))
    assert [name for name in named if not (ROOT / name).exists() and not name.startswith("web/dist")] == []


def test_pages_that_the_code_names_exist() -> None:
    sources = [file for room in ("api", "auth", "models", "planner", "schema") for file in (ROOT / room).rglob("*.*")]
    named = {
        (str(file.relative_to(ROOT)), name)
        for file in sources
        if file.suffix in (".py", ".sql", ".html", ".graphql")
        for name in re.findall(r"\bdocs/[\w/-]+\.md", file.read_text(encoding="utf-8"))
    }
    assert sorted(pair for pair in named if not (ROOT / pair[1]).exists()) == []


def test_pages_name_no_host_but_their_own() -> None:
    hosts = {
        (str(page.relative_to(ROOT)), host)
        for page in PAGES
        for host in re.findall(r"https?://([\w.-]*\w)", page.read_text(encoding="utf-8"))
    }
    assert [(page, host) for page, host in sorted(hosts) if not host.endswith(OWN_HOSTS)] == []


def test_commands_and_their_options_exist() -> None:
    wrong = []
    for page in PAGES:
        for match in COMMAND.finditer(page.read_text(encoding="utf-8")):
            if match["words"].split()[0] not in COMMANDS:
                wrong.append(match[0])
                continue
            told = CliRunner().invoke(main, [*match["words"].split(), "--help"])
            assert told.exit_code == 0, match[0]
            known = set(re.findall(r"--[a-z-]+", told.output))
            wrong += [
                f"{match[0]}: {option}" for option in re.findall(r" (--[a-z-]+)", match["rest"]) if option not in known
            ]
    assert wrong == []


def test_settings_are_told_whole() -> None:
    page = (ROOT / "docs/production.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(KYOSO_\w+)` \|", page, re.MULTILINE)
    read = set(re.findall(r'"(KYOSO_[A-Z_]+)"', (ROOT / "api/settings.py").read_text(encoding="utf-8")))
    assert sorted(told) == sorted(read)
    elsewhere = {name for each in PAGES for name in re.findall(r"\bKYOSO_[A-Z_]+", each.read_text(encoding="utf-8"))}
    assert elsewhere <= read | {"KYOSO_TEST_DATABASE_URL"}


# ── GraphQL ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Network:
    """A company and its agency, with a handover between them, on the running application."""

    served: Served
    company: Any
    agency: Any


@pytest.fixture
async def network(served: Served) -> Network:
    async with unit_of_work() as connection:
        company = await builders.company(connection, "株式会社あおぞら")
        agency = await builders.agency(connection)
        await builders.handed_over(connection, company, agency)
    return Network(served, company, agency)


def operation(text: str) -> OperationType:
    (only,) = (each for each in parse(text).definitions if isinstance(each, OperationDefinitionNode))
    return only.operation


async def heard(network: Network, text: str) -> dict[str, Any]:
    """What a subscription tells of an event: with the first message, a bookmark, it hears."""
    async with conversation(network.served, await network.served.token(network.company)) as talk:
        await talk.subscribe(text)
        assert (await talk.next())["event"] is None
        async with unit_of_work() as connection:
            said = builders.said(network.company)
            await outbox.publish(connection, "HIRED", said, company_id=network.company)
        return {"outcomeEvents": await talk.next()}


def empty_places(value: Any, path: str = "") -> list[str]:
    """Where an answer says nothing: a null, or a list without anything in it."""
    if isinstance(value, dict):
        return [place for name, each in value.items() for place in empty_places(each, f"{path}.{name}")]
    if isinstance(value, list) and value:
        return [place for each in value for place in empty_places(each, f"{path}[]")]
    return [path] if value is None or value == [] else []


@pytest.mark.parametrize("block", blocks("graphql"), ids=str)
async def test_a_document_is_valid_and_answered(network: Network, block: Block) -> None:
    committed = build_schema((ROOT / "schema/schema.graphql").read_text(encoding="utf-8"), assume_valid=True)
    assert validate(committed, parse(block.text)) == []
    if operation(block.text) is OperationType.SUBSCRIPTION:
        data = await heard(network, block.text)
    else:
        data = await network.served.ask(network.company, block.text)
    if operation(block.text) is OperationType.MUTATION:
        assert all(payload.pop("userErrors") == [] for payload in data.values()), data
    # A program has no login; of everything else, an example that answers nothing teaches nothing.
    assert [place for place in empty_places(data) if place != ".viewer.login"] == []
