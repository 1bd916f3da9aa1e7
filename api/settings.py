"""What an installation is told from outside: the only place that reads the environment."""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from ipaddress import ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

MASTER_KEY_BYTES = 32
LOG_LEVELS = ("debug", "info", "warning", "error")
EMAIL_ADDRESS = re.compile(r"[^\s@<>\"(),:;]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one line that names it and the cure."""


@dataclass(frozen=True)
class Settings:
    """One installation. Secrets stay out of its repr.

    `issuer`: the public base URL, without a slash at its end. `master_key`: 32 bytes that seal personal data and
    signing keys; losing it loses them. `migration_url`: a login that owns the tables. `direct_database_url`: around the
    pgbouncer, in transaction mode, to which `database_url` leads; None when it leads to PostgreSQL. `replica_urls`:
    streaming replicas for reads that may lag, the same in every worker. `smtp_url`:
    `smtp://user:password@host:port?starttls`, or None: mails become `.eml` files in `data_dir/mail`.
    `cost_budget`: cost units (about a row each) that every client gets back per second, in each worker.
    `client_connections`: sockets and event streams that every client may hold open at once, in each worker.
    `trusted_proxies`: whose X-Forwarded-* headers are believed, comma-separated.
    """

    database_url: str = field(repr=False)
    migration_url: str = field(repr=False)
    issuer: str
    master_key: bytes = field(repr=False)
    data_dir: Path
    direct_database_url: str | None = field(default=None, repr=False)
    replica_urls: tuple[str, ...] = field(default=(), repr=False)
    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str = "Kyoso <no-reply@localhost>"
    trusted_proxies: str = "127.0.0.1"
    cost_budget: int = 20_000
    client_connections: int = 100
    log_level: str = "info"
    log_format: Literal["json", "console"] = "json"

    @property
    def is_local(self) -> bool:
        """Whether it serves this machine alone, a demo or a test: then what partners name may lie on it too."""
        return urlsplit(self.issuer).hostname in LOOPBACK_HOSTS

    def __post_init__(self) -> None:
        _check_database_url("KYOSO_DATABASE_URL", self.database_url)
        if self.direct_database_url is not None:
            _check_database_url("KYOSO_DIRECT_DATABASE_URL", self.direct_database_url)
        _check_database_url("KYOSO_MIGRATION_URL", self.migration_url)
        for url in self.replica_urls:
            _check_database_url("KYOSO_REPLICA_URLS", url)
        _check_issuer(self.issuer)
        if len(self.master_key) != MASTER_KEY_BYTES:
            raise SettingsError(f"KYOSO_MASTER_KEY must be {MASTER_KEY_BYTES} bytes in base64: {MAKE_A_KEY}")
        if self.smtp_url is not None and urlsplit(self.smtp_url).scheme not in ("smtp", "smtps"):
            raise SettingsError("KYOSO_SMTP_URL must look like smtp://user:password@host:587?starttls")
        if not EMAIL_ADDRESS.fullmatch(parseaddr(self.mail_from)[1]):
            raise SettingsError("KYOSO_MAIL_FROM must look like Kyoso <no-reply@kyoso.example.jp>")
        _check_proxies(self.trusted_proxies)
        standing = next(each for each in (self.data_dir.absolute(), *self.data_dir.absolute().parents) if each.exists())
        if not standing.is_dir():
            raise SettingsError("KYOSO_DATA_DIR must be a directory, and this is a file or lies below one")
        if self.cost_budget < 1:
            raise SettingsError("KYOSO_COST_BUDGET must be 1 or more, such as 20000")
        if self.client_connections < 1:
            raise SettingsError("KYOSO_CLIENT_CONNECTIONS must be 1 or more, such as 100")
        if self.log_level not in LOG_LEVELS:
            raise SettingsError(f"KYOSO_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}")

    @property
    def pooled(self) -> bool:
        """Whether a pooler stands before the database: no session outlives a transaction there."""
        return self.direct_database_url is not None

    @property
    def session_url(self) -> str:
        """PostgreSQL itself, for what needs a session of its own: notifications, migrations, commands."""
        return self.direct_database_url or self.database_url


DATABASES = ("KYOSO_MIGRATION_URL", "KYOSO_DIRECT_DATABASE_URL", "KYOSO_DATABASE_URL")
"""Each names a database; the first one that is set is migrated."""
MAKE_A_KEY = "make one with `openssl rand -base64 32` and keep it safe"


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a production installation.

    Raises SettingsError for the first variable that is missing or wrong.
    """
    database_url = _required(environment, "KYOSO_DATABASE_URL", "for example postgresql://kyoso:…@db.example.jp/kyoso")
    direct = environment.get("KYOSO_DIRECT_DATABASE_URL") or None
    return Settings(
        database_url=database_url,
        direct_database_url=direct,
        replica_urls=tuple(filter(None, map(str.strip, environment.get("KYOSO_REPLICA_URLS", "").split(",")))),
        migration_url=migration_url(environment) or database_url,
        issuer=_required(environment, "KYOSO_ISSUER", "the public address, for example https://kyoso.example.jp"),
        master_key=decode_master_key(_required(environment, "KYOSO_MASTER_KEY", MAKE_A_KEY)),
        data_dir=Path(environment.get("KYOSO_DATA_DIR") or ".kyoso"),
        smtp_url=environment.get("KYOSO_SMTP_URL") or None,
        mail_from=environment.get("KYOSO_MAIL_FROM") or Settings.mail_from,
        trusted_proxies=environment.get("KYOSO_TRUSTED_PROXIES") or Settings.trusted_proxies,
        cost_budget=_number(environment, "KYOSO_COST_BUDGET", Settings.cost_budget),
        client_connections=_number(environment, "KYOSO_CLIENT_CONNECTIONS", Settings.client_connections),
        log_level=environment.get("KYOSO_LOG_LEVEL") or Settings.log_level,
    )


def names_a_database(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment names a database, if only for one purpose: else commands work on the demo's."""
    return any(environment.get(name, "").strip() for name in DATABASES)


def migration_url(environment: Mapping[str, str] = os.environ) -> str | None:
    """The database to be migrated, or None when the environment names none.

    Raises SettingsError when it cannot be an address.
    """
    for name in DATABASES:
        url = environment.get(name, "").strip()
        if url:
            _check_database_url(name, url)
            return url
    return None


def decode_master_key(text: str) -> bytes:
    """The key's bytes from base64; raises SettingsError when it is not that."""
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise SettingsError(f"KYOSO_MASTER_KEY is not base64: {MAKE_A_KEY}") from None


def _required(environment: Mapping[str, str], name: str, cure: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} is not set: {cure}")
    return value


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "").strip() or str(default)
    if not text.isdecimal():
        raise SettingsError(f"{name} must be a whole number, such as {default}")
    return int(text)


def _check_database_url(name: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise SettingsError(f"{name} must look like postgresql://user:password@host:5432/database")


def _check_proxies(text: str) -> None:
    try:
        for each in text.split(",") if text != "*" else ():
            ip_network(each.strip())
    except ValueError:
        raise SettingsError(
            "KYOSO_TRUSTED_PROXIES must be addresses or networks, such as 127.0.0.1,10.0.0.0/8; * trusts everybody"
        ) from None


def _check_issuer(issuer: str) -> None:
    parts = urlsplit(issuer)
    if not parts.hostname or parts.query or parts.fragment or issuer.endswith("/"):
        raise SettingsError("KYOSO_ISSUER must be an address without query and final slash: https://kyoso.example.jp")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS):
        raise SettingsError("KYOSO_ISSUER must start with https:// (http:// is accepted for this machine only)")
