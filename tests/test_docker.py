"""The Dockerfile's steps, run in clean folders by this machine: there is no container engine here."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from api import postgres as embedded
from models import db
from tests.conftest import ROOT

STEP_SECONDS = 300


def steps() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with its argument."""
    lines = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text()).splitlines()
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines if line and not line.startswith("#")]


def context(place: Path) -> None:
    """Copies what .dockerignore lets through."""
    rules = (ROOT / ".dockerignore").read_text().split()
    assert rules[0] == "*"
    left_out = shutil.ignore_patterns("node_modules", "dist", "__pycache__")
    for name in (rule[1:] for rule in rules if rule.startswith("!")):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=left_out)
        else:
            shutil.copy(source, place / name)


def build(work: Path) -> Path:
    """Runs the steps; gives the last stage's working directory."""
    (work / "context").mkdir()
    context(work / "context")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PATH"] = f"{Path(sys.executable).resolve().parent}{os.pathsep}{environment['PATH']}"
    stage = work
    for number, (word, argument) in enumerate(steps()):
        if word == "FROM":
            stage = work / (argument.partition(" AS ")[2] or f"stage{number}")
        elif word == "WORKDIR":
            place = stage / argument.lstrip("/")
            place.mkdir(parents=True)
        elif word == "COPY":
            copy(work, place, argument.split())
        elif word == "RUN":
            done = subprocess.run(
                ["sh", "-c", argument], cwd=place, env=environment, capture_output=True, text=True,
                timeout=STEP_SECONDS, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{argument}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return place


def copy(work: Path, place: Path, words: list[str]) -> None:
    source = work / "context"
    if words[0].startswith("--from="):
        source = work / words.pop(0).removeprefix("--from=")
    *names, target = words
    for name in names:
        found = source / name.lstrip("/")
        if found.is_dir():
            shutil.copytree(found, place / target, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy(found, place / target)


async def as_superuser(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(**db.credentials(url))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[embedded.Postgres]:
    """A server of its own: the first migration of a server creates the application's role."""
    server = embedded.start(tmp_path / "postgres", embedded.FORGETFUL)
    yield server
    server.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.skipif(os.geteuid() != 0, reason="the steps give files to another user, which only root may do")
@pytest.mark.skipif(shutil.which("npm") is None, reason="the first stage needs Node.js")
def test_the_steps_make_a_server_that_is_healthy(tmp_path: Path, server: embedded.Postgres) -> None:
    place = build(tmp_path)
    asyncio.run(
        as_superuser(
            server.url(),
            "create role kyoso_owner login createrole",
            "create database kyoso owner kyoso_owner",
        )
    )
    words = dict(steps())
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        **dict(pair.split("=") for pair in words["ENV"].split()),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "KYOSO_DATABASE_URL": server.url("kyoso", "kyoso"),
        "KYOSO_MIGRATION_URL": server.url("kyoso", "kyoso_owner"),
        "KYOSO_ISSUER": "https://kyoso.example.jp",
        "KYOSO_MASTER_KEY": b64encode(os.urandom(32)).decode(),
    }
    migrate = [".venv/bin/python", "-m", "api", "migrate"]
    subprocess.run(migrate, cwd=place, env=environment, check=True, timeout=STEP_SECONDS)
    asyncio.run(as_superuser(server.url(), "create role kyoso login noinherit", "grant kyoso_app to kyoso"))
    health = json.loads(words["HEALTHCHECK"].partition("CMD ")[2])
    process = subprocess.Popen(json.loads(words["CMD"]), cwd=place, env=environment)
    try:
        answers = (subprocess.call(health, cwd=place, env=environment, stderr=subprocess.DEVNULL) for _ in range(100))
        assert 0 in answers
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
