"""`./kyoso` as a newcomer meets it: set-up, one-line errors, a demo that stops cleanly and comes back."""

import ast
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from api import postgres as embedded
from api.cli import COMMANDS, main
from tests.conftest import ROOT

READY_SECONDS = 180
SMALL_PACKAGE = re.compile(r"^click==.*?(?=^\S)", re.MULTILINE | re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one small package to install and a program that says where it runs."""
    place = tmp_path / "checkout"
    (place / "api").mkdir(parents=True)
    shutil.copy(ROOT / "kyoso", place / "kyoso")
    package = SMALL_PACKAGE.search((ROOT / "requirements.lock").read_text())
    assert package is not None
    (place / "requirements.lock").write_text(package.group())
    (place / "requirements-dev.lock").write_text(package.group() + "# and nothing more\n")
    (place / "api" / "__main__.py").write_text(
        "import click, os, sys; print(os.getcwd(), sys.path[0], 'click' in click.__file__, *sys.argv[1:])"
    )
    return place


@pytest.fixture
def bootstrap(checkout: Path) -> ModuleType:
    """The bootstrap of that checkout, as a module."""
    loader = SourceFileLoader("kyoso_bootstrap", str(checkout / "kyoso"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def run(program: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, program, *arguments], env=os.environ | environment, cwd=program.parent.parent,
        capture_output=True, text=True, timeout=READY_SECONDS, check=False,
    )  # fmt: skip


def test_first_start_sets_up_and_second_only_compares(checkout: Path) -> None:
    first = run(checkout / "kyoso", "anything", "--to", "say")
    assert first.returncode == 0, first.stderr
    assert first.stderr.startswith("Setting up Python packages")
    assert first.stdout.split() == [str(checkout.parent), str(checkout), "True", "anything", "--to", "say"]
    second = run(checkout / "kyoso", "anything")
    assert (second.returncode, second.stderr) == (0, "")

    # A set-up that was cut off is begun anew, whatever it left.
    (checkout / ".venv" / "unfinished").write_text("")
    shutil.rmtree(next((checkout / ".venv" / "lib").glob("python*/site-packages/click")))
    healed = run(checkout / "kyoso", "anything")
    assert healed.returncode == 0, healed.stderr
    assert healed.stderr.startswith("Setting up Python packages")


def test_two_first_starts_at_once_wait_for_each_other(checkout: Path) -> None:
    results: list[subprocess.CompletedProcess[str]] = []
    starts = [threading.Thread(target=lambda: results.append(run(checkout / "kyoso", "x"))) for _ in range(2)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert [result.returncode for result in results] == [0, 0]
    said = sorted(result.stderr.splitlines() for result in results)
    assert said == [
        ["Another start is setting up: waiting for it"],
        ["Setting up Python packages in .venv (once; this takes a minute)"],
    ]


def test_no_network_is_one_line(checkout: Path) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
    refused = run(
        checkout / "kyoso", "x", **nowhere, PIP_CONFIG_FILE=os.devnull, PIP_RETRIES="1", PIP_NO_CACHE_DIR="1",
        PATH="/usr/bin:/bin",
    )  # fmt: skip
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[1:] == [
        "kyoso: cannot install the packages: no way to the package index; check the network or its proxy"
    ]


def test_a_checkout_that_cannot_be_written_is_one_line(checkout: Path) -> None:
    (checkout / ".venv").write_text("a file where a directory should be")
    refused = run(checkout / "kyoso", "x")
    assert refused.returncode == 1
    assert re.fullmatch(r"kyoso: cannot set up in \S+\.venv\S*: \w[\w ]+", refused.stderr.splitlines()[-1])
    assert "Traceback" not in refused.stderr


def test_old_pythons_can_read_why_they_are_refused(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    ast.parse((ROOT / "kyoso").read_text(encoding="ascii"), feature_version=(3, 5))
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(bootstrap.SetupError, match=r"^Kyoso needs Python 3\.11 or newer; this is "):
        bootstrap.main(["demo"])


def test_a_missing_venv_module_is_named(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(bootstrap.SetupError, match="venv module is missing: install it"):
        bootstrap.main(["demo"])


def test_packages_are_set_up_again_when_their_lock_changes(bootstrap: ModuleType, checkout: Path) -> None:
    python = Path(bootstrap.PYTHON)
    python.parent.mkdir(parents=True)
    python.touch()
    assert not bootstrap.has_packages("requirements.lock")
    bootstrap.write(bootstrap.INSTALLED, bootstrap.note_of("requirements.lock"))
    assert bootstrap.has_packages("requirements.lock")
    assert not bootstrap.has_packages("requirements-dev.lock")
    (checkout / "requirements.lock").write_text("click==0 --hash=sha256:0\n")
    assert not bootstrap.has_packages("requirements.lock")


def test_pages_are_built_again_when_a_source_changes(bootstrap: ModuleType, checkout: Path) -> None:
    for name in ("web/dist", "web/node_modules", "web/src"):
        (checkout / name).mkdir(parents=True)
    (checkout / "web/src/main.ts").write_text("1")
    (checkout / "web/dist/index.html").write_text("")
    assert bootstrap.wants_bundle("demo")
    bootstrap.write(bootstrap.BUILT_FROM, bootstrap.hash_of_web())
    assert not bootstrap.wants_bundle("demo")
    (checkout / "web/src/main.ts").write_text("2")
    assert bootstrap.wants_bundle("demo")
    assert not bootstrap.wants_bundle("sdl")


def test_the_clients_of_the_tests_are_set_up_again_when_their_lock_changes(
    bootstrap: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "tests/clients/node_modules").mkdir(parents=True)
    (checkout / "tests/clients/package-lock.json").write_text("{}")
    asked: list[Any] = []
    monkeypatch.setattr(bootstrap, "run_npm", lambda *words: asked.append((words[2], words[4])))
    assert bootstrap.wants_clients("test")
    bootstrap.install_clients("node", "npm")
    assert asked == [(bootstrap.CLEAN_INSTALL, str(checkout / "tests/clients"))]
    assert not bootstrap.wants_clients("test")
    (checkout / "tests/clients/package-lock.json").write_text("{ }")
    assert bootstrap.wants_clients("test")
    assert not bootstrap.wants_clients("demo")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    told = CliRunner().invoke(main, [command, "--help"])
    assert told.exit_code == 0
    assert told.output.startswith("Usage: ")
    sentence = told.output.split("\n\n")[1].strip()
    assert len(sentence) > 20


class Demo:
    """A demo in its own directory, started as a program."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def start(self, *arguments: str, **how: Any) -> "subprocess.Popen[str]":
        words = [sys.executable, "-m", "api", "demo", "--data-dir", str(self.data_dir), "--port", "0", *arguments]
        return subprocess.Popen(
            words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **how
        )

    def refused(self, *arguments: str) -> str:
        """What a start says that cannot be; it ends with 1 and says it in one line."""
        process = self.start(*arguments)
        said = process.communicate(timeout=READY_SECONDS)[1]
        assert process.returncode == 1
        assert len(said.splitlines()) == 1, said
        return said.strip()

    @contextmanager
    def serving(self, signal_to_stop: int = signal.SIGTERM) -> Iterator[dict[str, Any]]:
        process = self.start("--json")
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            yield json.loads(line)
        finally:
            process.send_signal(signal_to_stop)
            rest = process.communicate(timeout=READY_SECONDS)
        assert process.returncode == (-signal.SIGKILL if signal_to_stop == signal.SIGKILL else 0), rest

    def database_runs(self) -> bool:
        return embedded.running(self.data_dir / "postgres") is not None


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo whose network is made: each test starts and stops it."""
    demo = Demo(tmp_path_factory.mktemp("demo") / "data")
    with demo.serving() as first:
        assert {login["kind"] for login in first["logins"]} == {"COMPANY", "SCHOOL", "AGENCY", "REFERRER", "COMMUNITY"}
    assert not demo.database_runs()
    yield demo
    left_over = embedded.running(demo.data_dir / "postgres")
    if left_over is not None:
        left_over.stop()


def health(url: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("GET", "/healthz")
    return connection.getresponse().status


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_start_serves_the_same_and_stops_with_its_database(demo: Demo, stop: signal.Signals) -> None:
    card = json.loads((demo.data_dir / "card.json").read_text())
    with demo.serving(stop) as told:
        assert health(told["url"]) == 200
        assert {name: told[name] for name in card} == card
        assert demo.database_runs()
    assert not demo.database_runs()
    assert not (demo.data_dir / "postgres" / "postmaster.pid").exists()


def test_a_killed_demo_is_taken_up_again(demo: Demo) -> None:
    with demo.serving(signal.SIGKILL):
        pass
    assert demo.database_runs()
    with demo.serving() as told:
        assert health(told["url"]) == 200
    assert not demo.database_runs()


def test_the_printed_curl_works_when_pasted(demo: Demo) -> None:
    with demo.serving() as told:
        answer = subprocess.run(["sh", "-c", told["curl"]], capture_output=True, text=True, check=True)
        viewer = json.loads(answer.stdout)["data"]["viewer"]
        company = next(login for login in told["logins"] if login["kind"] == "COMPANY")
        assert viewer["partner"] == {"__typename": "Company", "name": company["partner"], "slug": company["slug"]}


def test_what_prevents_a_demo_is_said_in_one_line(demo: Demo, tmp_path: Path) -> None:
    with demo.serving():
        assert demo.refused() == (
            f"Error: a demo already runs in {demo.data_dir}: stop it, or choose another directory with --data-dir"
        )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert demo.refused("--port", str(port)) == (
            f"Error: port {port} is taken: stop the program that listens there, or choose another with --port"
        )
    (tmp_path / "file").touch()
    assert Demo(tmp_path / "file" / "data").refused() == (
        f"Error: cannot write in {tmp_path}/file/data: Not a directory; choose another directory with --data-dir"
    )
    assert not demo.database_runs()


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_start_that_is_interrupted_leaves_no_process_and_begins_anew(
    tmp_path: Path, stop: signal.Signals, code: int
) -> None:
    demo = Demo(tmp_path / "data")
    process = demo.start()
    while not demo.database_runs():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.send_signal(stop)
    said = process.communicate(timeout=READY_SECONDS)[1]
    assert process.returncode == code, said
    assert "Traceback" not in said
    assert not demo.database_runs()
    assert not (demo.data_dir / "card.json").exists()
