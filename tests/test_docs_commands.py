"""The commands, configurations and code that the README and docs/ show, run as their readers would."""

import ast
import asyncio
import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from joserfc.jwk import ECKey

import planner
import planner.declare
from api import postgres as embedded
from models import db, partner
from models.db import unit_of_work
from tests import builders
from tests.conftest import ROOT, free_port
from tests.test_docs import COMMAND_SECONDS, Block, blocks

COVERED_ELSEWHERE = {
    "./kyoso demo": "tests/test_kyoso.py starts, uses, stops and restarts it",
    "./kyoso test": "that is what runs this",
    "cd web": "tests/test_docker.py builds the bundle by the same two commands",
    "npm ci": "tests/test_docker.py",
    "npm run build": "tests/test_docker.py",
    "docker build": "no container engine here: tests/test_docker.py runs the steps",
    "docker run": "tests/test_docker.py runs the image's command and health check",
    "pg_dump": "tests/test_backup.py dumps, renames and restores",
    "pg_restore": "tests/test_backup.py",
}
"""Commands that stand in the documentation and are not run by this file, and who runs them. This list only shrinks."""

MASTER_KEY = b64encode(builders.MASTER_KEY).decode()


APPLICATIONS = "氏名,メールアドレス,応募日,結果,結果日\n青木 空,sora@example.com,令和8年4月1日,不採用,2026-05-01\n"
WORKERS = "--workers 2"  # a single worker ends by the signal itself: 143 in a shell


@dataclass
class Installation:
    """Kyoso as docs/production.md sets it up, served; and what a person there has in the shell."""

    server: embedded.Postgres
    place: Path
    port: int
    environment: dict[str, str]
    spoken: dict[str, str]

    def start(self, script: str, environment: dict[str, str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["sh", "-eu", "-c", script], cwd=self.place, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def run(self, script: str, **more: str) -> str:
        process = self.start(script, self.environment | more)
        said, complaint = process.communicate(timeout=COMMAND_SECONDS)
        assert process.returncode == 0, f"{script}\n{said}{complaint}"
        return said

    @contextmanager
    def serving(self, script: str, environment: dict[str, str]) -> Generator[None]:
        """A script whose last command serves: within, it answers; afterwards it has ended well."""
        process = self.start(script, environment)
        try:
            self.wait_until_ready(process)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=COMMAND_SECONDS)
        assert process.returncode == (0 if WORKERS in script else -signal.SIGTERM), said

    def wait_until_ready(self, process: "subprocess.Popen[str]") -> None:
        ask = f"curl -s -o /dev/null -w '%{{http_code}}' http://127.0.0.1:{self.port}/readyz || true"
        while process.poll() is None:
            if subprocess.check_output(["sh", "-c", ask], text=True) == "200":
                return
        pytest.fail("".join(process.communicate()))


async def execute(url: str, statements: str) -> None:
    connection = await asyncpg.connect(**db.credentials(url))
    try:
        for statement in filter(str.strip, statements.split(";")):  # CREATE DATABASE runs alone
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """docs/production.md, followed: its first SQL, migrate, its second SQL; then a partner that the pages speak of."""
    place = tmp_path_factory.mktemp("installation")
    (place / "kyoso").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m api "$@"\n')
    (place / "kyoso").chmod(0o755)
    server = embedded.start(place / "postgres", embedded.FORGETFUL)
    spoken = {
        "postgresql://kyoso:…@db.example.jp:5432/kyoso": server.url("kyoso", "kyoso"),
        "postgresql://kyoso_owner:…@db.example.jp:5432/kyoso": server.url("kyoso", "kyoso_owner"),
        "KYOSO_MASTER_KEY=…": f"KYOSO_MASTER_KEY={MASTER_KEY}",
    }
    outside = {name: value for name, value in os.environ.items() if not name.startswith("KYOSO_")}
    installation = Installation(server, place, free_port(), outside | {"PYTHONPATH": str(ROOT)}, spoken)
    try:
        asyncio.run(set_up(installation))
        with installation.serving(typed(installation, "./kyoso serve"), installation.environment):
            yield replace(installation, port=free_port())
    finally:
        server.stop()


async def set_up(installation: Installation) -> None:
    postgres = installation.server
    before, after = (block.text.replace("'…'", "'secret'") for block in blocks("sql")[:2])
    await execute(postgres.url(), before)
    installation.environment |= {
        "KYOSO_DATABASE_URL": postgres.url("kyoso", "kyoso"),
        "KYOSO_MIGRATION_URL": postgres.url("kyoso", "kyoso_owner"),
        "KYOSO_ISSUER": f"http://127.0.0.1:{installation.port}",
        "KYOSO_MASTER_KEY": MASTER_KEY,
    }
    assert "applied" in await asyncio.to_thread(installation.run, "./kyoso migrate")
    await execute(postgres.url(), after)
    await execute(postgres.url(), "create database empty")
    await db.connect(postgres.url("kyoso", "kyoso"))
    try:
        async with unit_of_work() as connection:
            await partner.register_company(
                connection, name="株式会社あおぞら", corporate_number=builders.corporate_number(1), prefecture="TOKYO",
                url="https://aozora.example.jp",
            )  # fmt: skip
    finally:
        await db.disconnect()
    made = await asyncio.to_thread(
        installation.run, './kyoso client create --partner aozora --scope "network:read relay:read" --json'
    )
    client = json.loads(made)
    installation.environment |= {"CLIENT_ID": client["client_id"], "CLIENT_SECRET": client["client_secret"]}


def typed(installation: Installation, text: str) -> str:
    """A block as it is typed here: this machine's port and passwords, and a network that is small."""
    for told, here in installation.spoken.items():
        text = text.replace(told, here)
    text = re.sub(
        r"\./kyoso serve(.*)",
        lambda match: f"exec ./kyoso serve{match[1].replace(' --port 8000', '')} --port {installation.port}",
        text,
    )
    text = text.replace("http://127.0.0.1:8000", installation.environment["KYOSO_ISSUER"])
    return re.sub(
        r"--partners \d+ --candidates \d+ --referrals \d+", "--partners 60 --candidates 300 --referrals 360", text
    )


def commands(block: Block) -> list[str]:
    """The commands of a block, lines that go on joined; without comments."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [command for line in lines if (command := re.sub(r"(^|\s)# .*", "", line).strip())]


def covered_elsewhere(command: str) -> str | None:
    return next((begin for begin in COVERED_ELSEWHERE if command.startswith(begin)), None)


def test_the_list_of_what_is_covered_elsewhere_only_shrinks() -> None:
    used = {covered_elsewhere(command) for block in blocks("sh") for command in commands(block)}
    assert used - {None} == set(COVERED_ELSEWHERE)


@pytest.mark.parametrize(
    "block", [one for one in blocks("sh") if not all(map(covered_elsewhere, commands(one)))], ids=str
)
def test_commands_work(installation: Installation, block: Block) -> None:
    own = [command for command in commands(block) if not covered_elsewhere(command)]
    script = typed(installation, "\n".join(own))
    environment = installation.environment
    if "KYOSO_DATABASE_URL=" in script:  # what the block does not say must not be needed
        environment = {name: value for name, value in environment.items() if not name.startswith("KYOSO_")}
    if "./kyoso serve" in script:
        with installation.serving(script, environment):
            return
    (installation.place / "applications.csv").write_text(APPLICATIONS)
    keys = {"keys": [ECKey.generate_key("P-256", {"kid": "one"}).as_dict(private=False)]}
    (installation.place / "public-keys.json").write_text(json.dumps(keys))
    more = {"KYOSO_MIGRATION_URL": installation.server.url("empty")} if "simulate" in script else {}
    said = installation.run(script, **more)
    assert said
    if "token-exchange" in script:
        assert json.loads(said)["scope"] == "network:read"
    elif "curl" in script:
        assert json.loads(said) == {"data": {"viewer": {"partner": {"name": "株式会社あおぞら"}}}}


# ── Configuration and code that is shown ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx reads its configuration: apt-get install nginx-light")
@pytest.mark.parametrize("block", blocks("nginx"), ids=str)
def test_nginx_accepts_its_configuration(block: Block, tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=kyoso.example.jp",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "certificate.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    text = re.sub(r"(ssl_certificate(?:_key)?) +\S*/(\w+\.pem);", rf"\1 {tmp_path}/\2;", block.text)
    text = text.replace("/var/log/nginx/", f"{tmp_path}/").replace("listen 443", f"listen 127.0.0.1:{free_port()}")
    assert text.count(str(tmp_path)) == 3
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}} http {{ access_log off;\n{text}}}"
    )
    checked = subprocess.run(["nginx", "-t", "-c", configuration], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr


PLANNERS = [block for block in blocks("python") if block.page.name != "first-query.md"]  # which has its own test


@pytest.mark.parametrize("block", PLANNERS, ids=str)
def test_code_calls_what_exists_as_it_may_be_called(block: Block) -> None:
    tree = compile(block.text, str(block), "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    known: dict[str, Any] = {name: getattr(planner, name) for name in planner.__all__} | vars(planner.declare)
    objects = {"Catalogue": planner.Catalogue, "planner": planner.Planner}
    called = 0
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        bound = 0
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
            owner = objects.get(call.func.value.id)
            target = getattr(owner, call.func.attr) if owner else None
            bound = int(inspect.isfunction(target))  # a method of an object: its self
        else:
            target = known.get(call.func.id) if isinstance(call.func, ast.Name) else None
        if target is not None:
            inspect.signature(target).bind(
                *[None] * (bound + len(call.args)), **{word.arg: None for word in call.keywords if word.arg}
            )
            called += 1
    assert called >= 3
