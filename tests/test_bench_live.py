"""The bench of the live events counts what it says it counts, and ends what it starts."""

import json

from click.testing import CliRunner

from api.cli.bench import bench
from bench import hard
from bench.hard import replay, storm
from bench.subscribers import compare
from tests.builders import MASTER_KEY


def quiet(_: str) -> None:
    """Says nothing."""


async def test_one_event_reaches_everybody_of_both_servers(database: str) -> None:
    figures = await compare(database, MASTER_KEY, 120, groups=60, rounds=1, progress=quiet)
    assert (figures.subscribers, figures.groups) == (120, 60)
    assert 0 < figures.first_ms <= figures.last_ms
    assert figures.low == figures.times_peer == figures.high > 0


async def test_nothing_is_lost_in_a_replay_nor_in_a_storm(database: str) -> None:
    """proof 6.3 and 6.7, small: `./kyoso bench subscribers replay` and `storm` do them with all their events."""
    stormed = await storm(database, MASTER_KEY, 12, progress=quiet)
    assert (stormed.subscribers, stormed.missed, stormed.lost) == (12, hard.MISSED_EVENTS, 0)
    replayed = await replay(database, MASTER_KEY, 300, progress=quiet)
    assert replayed.events == 300
    assert replayed.samples > 0


def test_the_command_measures_in_a_database_of_its_own() -> None:
    answer = CliRunner().invoke(bench, ["subscribers", "idle", "--number", "10", "--json"])
    assert answer.exit_code == 0, answer.output
    facts = json.loads(answer.stdout)
    assert facts["subscribers"] == 10
    assert facts["after_mb"] > 0
