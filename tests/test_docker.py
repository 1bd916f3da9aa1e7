"""The Dockerfile's steps, run in clean folders by this machine: there is no container engine here."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from base64 import b64encode
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from api import postgres as embedded
from models import db
from tests.conftest import ROOT, free_port

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
            known = lay_out(place, argument)
            done = subprocess.run(
                ["sh", "-c", argument], cwd=place, env=environment | known, capture_output=True, text=True,
                timeout=STEP_SECONDS, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{argument}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return place


def lay_out(place: Path, command: str) -> dict[str, str]:
    """Puts what `./kyoso` has installed from these very locks where the command finds it, as an engine does with a
    layer that it knows: pip installs what is not there, npm only compares. Gives the settings that tell npm so."""
    if "pip install" in command:
        packages = place / sysconfig.get_path("platlib", vars={"platbase": ".venv"})
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", (place / "requirements.lock").read_text(), re.MULTILINE):
            if (here := distribution(name)).version == version:
                for file in here.files or ():
                    if ".." not in file.parts:
                        link(here.locate_file(file), packages / file)
    elif command.startswith("npm ci") and (installed := ROOT / "web" / "node_modules").exists():
        shutil.copytree(installed, place / "node_modules", symlinks=True, copy_function=link)
        return {"npm_config_dry_run": "true"}
    return {}


def link(source: Any, target: Any) -> None:
    """Another name for a file; another file where that is another disk."""
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


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
        deadline = time.monotonic() + STEP_SECONDS
        while subprocess.call(health, cwd=place, env=environment, stderr=subprocess.DEVNULL) != 0:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STEP_SECONDS) == 0
    finally:
        if process.poll() is None:
            process.kill()
