"""`check` and `test`: what must hold before a change lands."""

import asyncio
import difflib
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import click

from api import postgres
from api.cli.drift import drift

ROOT = Path(__file__).parents[2]
DIFF_LINES = 40
TEST_PROCESSES_MAX = 8


@click.command(
    short_help="Run the tests on a real PostgreSQL.",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(arguments: tuple[str, ...]) -> None:
    """Run the tests on a real PostgreSQL: the embedded one, or the server of KYOSO_TEST_DATABASE_URL (a superuser's).

    The whole suite runs on every core; with arguments, which go to pytest, on one: `./kyoso test -k slot`.
    """
    if set(arguments) & {"-h", "--help"}:
        click.echo(test.get_help(click.get_current_context()))
        return
    everything = [
        "-n",
        str(min((os.cpu_count() or 1) + 1, TEST_PROCESSES_MAX)),  # one more: tests wait for servers, too
        "--dist",
        "loadfile",
        "--no-loadscope-reorder",
    ]
    sys.exit(subprocess.call([sys.executable, "-m", "pytest", *(arguments or everything)], cwd=ROOT))


@click.command(short_help="Check style, types, rooms, schema and migrations.")
def check() -> None:
    """Check style (ruff), types (pyright, strict), the rooms of the house, the committed schema and the migrations.

    Every check runs; the exit code is 1 when one of them finds something.
    """
    python = sys.executable
    checks: dict[str, Callable[[], str]] = {
        "ruff check": lambda: _said_by(python, "-m", "ruff", "check", "."),
        "ruff format": lambda: _said_by(python, "-m", "ruff", "format", "--check", "."),
        "pyright": lambda: _said_by("web/node_modules/.bin/pyright"),
        "rooms": lambda: _said_by(python, "-m", "pytest", "-q", "tests/test_house.py"),
        "schema.graphql": _schema_diff,
        "migrations": _migration_drift,
    }
    failed = [name for name, run in checks.items() if not _passes(name, run)]
    if failed:
        raise click.ClickException(f"{', '.join(failed)}: see above")


def _passes(name: str, run: Callable[[], str]) -> bool:
    began = time.monotonic()
    try:
        found = run()
    except Exception:  # a check that cannot run has found something too
        found = traceback.format_exc(limit=-3)
    click.echo(f"{'FAIL' if found else 'ok':<5}{name}  {time.monotonic() - began:.1f} s")
    if found:
        click.echo(found)
    return not found


def _said_by(*words: str) -> str:
    """What a program printed when it failed; empty when it succeeded."""
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip() or f"exit code {done.returncode}"


def _schema_diff() -> str:
    from schema.build import sdl

    committed = (ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8")
    lines = difflib.unified_diff(
        committed.splitlines(), sdl().splitlines(), "schema/schema.graphql", "the code", lineterm="", n=1
    )
    shown = list(lines)[:DIFF_LINES]
    return "\n".join([*shown, "commit the new text: ./kyoso sdl > schema/schema.graphql"]) if shown else ""


def _migration_drift() -> str:
    with tempfile.TemporaryDirectory(prefix="kyoso-check-", dir="/tmp") as directory:
        try:
            server = postgres.start(Path(directory) / "postgres", postgres.FORGETFUL)
        except postgres.PostgresError as error:
            return str(error)
        try:
            return "\n".join(asyncio.run(drift(server.url())))
        finally:
            server.stop()
