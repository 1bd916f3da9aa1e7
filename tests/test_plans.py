"""`bench plans`: the walks that PostgreSQL takes, within functions too; what reads a large table whole is named."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from api.cli import main
from bench import plans
from bench.network.size import size
from bench.network.write import write
from tests.builders import MASTER_KEY
from tests.conftest import _database
from tests.test_simulate import quiet

NETWORK = size(partners=120, candidates=1_000, referrals=2_000, months=12, until=datetime(2026, 11, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def network(postgres: str, template_database: str) -> Iterator[str]:
    """The URL of a small network."""
    for url in _database(postgres, template_database):
        asyncio.run(write(url, MASTER_KEY, NETWORK, 5, quiet))
        yield url


def test_the_walks_of_every_question_are_told(network: str) -> None:
    told = CliRunner().invoke(main, ["bench", "plans", "--database-url", network, "--json"])
    assert told.exit_code == 0, told.output
    walks = {each["query"]: each for each in json.loads(told.stdout.splitlines()[-1])}
    assert list(walks) == list(plans.QUERIES)
    assert "Index Scan partner_pkey" in walks["Q1"]["ways"]
    assert any("contribution_by_company" in way for way in walks["Q2"]["ways"])
    assert any("kpi_month" in way for way in walks["Q4b"]["ways"])  # within a function
    assert all(each["pages"] > 0 and each["scanned"] == [] for each in walks.values())


def test_a_large_table_that_is_read_from_end_to_end_is_named(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "LARGE_ROWS", 1)
    told = CliRunner().invoke(main, ["bench", "plans", "--database-url", network])
    assert told.exit_code == 1
    assert "Q3 partner" in told.output
    assert "partner.has_number partner" in told.output  # a statement by name
