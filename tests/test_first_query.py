"""docs/first-query.md, followed: each program on the page is run as it stands. Its shell runs with all pages'."""

import asyncio
import sys
from pathlib import Path

import httpx
import pytest

from models.client import Credentials
from tests.conftest import ROOT, free_port
from tests.test_docs import Block, blocks
from tests.test_real_clients import ANSWER_SECONDS, CLIENTS, NODE, World, world

__all__ = ["world"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = ROOT / "docs/first-query.md"
PROGRAMS = [block for block in blocks("python", "js") if block.page == PAGE]


def test_the_page_has_a_program_and_an_app_in_each_language() -> None:
    found = [(block.language, "APP_ID" in block.text) for block in PROGRAMS]
    assert found == [("python", False), ("js", False), ("python", True), ("js", True)]
    assert len([block for block in blocks("sh") if block.page == PAGE]) == 2


@pytest.mark.parametrize("block", PROGRAMS, ids=str)
async def test_a_program_of_the_page_gets_its_answer(world: World, block: Block, tmp_path: Path):
    port = free_port()
    program, app = await registered(world, f"http://127.0.0.1:{port}/callback")
    text = block.text.replace("http://127.0.0.1:8000", world.house.issuer).replace("9000", str(port))
    (tmp_path / "node_modules").symlink_to(CLIENTS / "node_modules")
    file = tmp_path / ("program.py" if block.language == "python" else "program.mjs")
    file.write_text(text, encoding="utf-8")
    environment = {
        "CLIENT_ID": program.client_id,
        "CLIENT_SECRET": program.client_secret or "",
        "APP_ID": app.client_id,
        "PYTHONIOENCODING": "utf-8",
    }
    running = await asyncio.create_subprocess_exec(
        sys.executable if block.language == "python" else NODE, file, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert running.stdout is not None
    async with asyncio.timeout(ANSWER_SECONDS):
        if "APP_ID" in text:
            word, _, address = (await running.stdout.readline()).decode().strip().partition(" ")
            assert word == "Open", (await running.communicate())[1].decode()
            async with httpx.AsyncClient(timeout=60) as browser:
                if block.language == "js":  # a browser asks whoever listens for an icon, whenever it likes
                    assert (await browser.get(f"http://127.0.0.1:{port}/favicon.ico")).status_code == 404
                arrived = await browser.get(await world.do({"visit": address}))
            assert arrived.text == "You can close this page."
        said, complaint = await running.communicate()
    assert (running.returncode, said.decode()) == (0, "青空製作所\n"), complaint.decode()


async def registered(world: World, callback: str) -> tuple[Credentials, Credentials]:
    """The two clients of the page's first step."""
    app = await world.house.client(public=True, redirect_uris=[callback], name="はじめてのアプリ")
    return await world.house.client(name="夜間バッチ"), app
