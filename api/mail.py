"""Sending mail: by SMTP where one is configured, else into `.eml` files that any mail program opens."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID

import aiosmtplib
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from api.settings import Settings

ANSWER_SECONDS = 20
"""How long the mail server may take over one answer."""
SEND_SECONDS = 60
"""How long it may take over a mail, so that no other worker is lent it meanwhile."""
QUIT_SECONDS = 5
"""How long it may take to say goodbye: what it took is sent, whatever it says then."""
PORTS = {"smtp": 587, "smtps": 465}
PLATFORM = "共創 Kyoso"
NO_RETRY_FROM = 500  # SMTP's answers from here on are final (RFC 5321, 4.2.1)

_frames = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates" / "mail"), autoescape=True)
_url = re.compile(r"https?://[^\s<>「」]+")


class NotSent(Exception):  # noqa: N818  (what became of the mail)
    """A mail was not taken. `code` says why without an address; `for_good`: trying again is of no use."""

    def __init__(self, code: str, *, for_good: bool = False) -> None:
        super().__init__(code)
        self.code, self.for_good = code, for_good


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter to one addressee, or to several colleagues of one company. `sender`: who speaks in it; None where the
    platform does."""

    id: UUID
    to: tuple[str, ...] = field(repr=False)
    sender: str | None
    subject: str = field(repr=False)
    text: str = field(repr=False)
    language: str


class Sender(Protocol):
    """A way to get mail out."""

    async def send(self, message: EmailMessage) -> None:
        """Hands one message over; raises NotSent."""
        ...


def sender(settings: Settings) -> Sender:
    """The way this installation sends mail."""
    return Smtp(settings.smtp_url) if settings.smtp_url else Files(settings.data_dir / "mail")


def message(letter: Letter, settings: Settings) -> EmailMessage:
    """The letter as plain text, and the same in simple HTML.

    A second attempt carries the same Message-ID, by which mail programs show it once.
    """
    made = EmailMessage(policy=SMTP_POLICY)
    _, address = parseaddr(settings.mail_from)
    name = f"{_one_line(letter.sender)}（{PLATFORM}）" if letter.sender else PLATFORM
    made["From"] = Address(name, addr_spec=address)
    # As finished addresses, never as text to be parsed: the envelope is what the header says, one mailbox each.
    made["To"] = [Address(username=name, domain=host) for name, _, host in (to.rpartition("@") for to in letter.to)]
    made["Subject"] = _one_line(letter.subject)
    made["Date"] = format_datetime(datetime.now(UTC))
    made["Message-ID"] = f"<{letter.id}@{urlsplit(settings.issuer).hostname}>"
    made["Auto-Submitted"] = "auto-generated"
    made["Content-Language"] = letter.language.lower()
    made.set_content(letter.text)
    made.add_alternative(_html(letter), subtype="html")
    return made


class Files:
    """Mail as files, one a letter, named by its id alone."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def send(self, message: EmailMessage) -> None:
        name = message["Message-ID"].strip("<>").partition("@")[0]
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._directory / f"{name}.eml"
        file.touch(mode=0o600)
        file.write_bytes(message.as_bytes())


def erase(settings: Settings, mail_ids: Iterable[UUID]) -> None:
    """Removes the files of these mails, which were taken back or whose person was erased."""
    for mail_id in mail_ids:
        (settings.data_dir / "mail" / f"{mail_id}.eml").unlink(missing_ok=True)


class Smtp:
    """Mail by SMTP: `smtp://user:password@host:587?starttls`, or `smtps://` for TLS from the first byte."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "localhost"
        self._port = parts.port or PORTS[parts.scheme]
        self._tls = parts.scheme == "smtps"
        self._starttls = "starttls" in parts.query.split("&")
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None

    async def send(self, message: EmailMessage) -> None:
        server = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            use_tls=self._tls,
            start_tls=self._starttls,  # demanded, never merely tried: a stripped STARTTLS must not go unnoticed
            timeout=ANSWER_SECONDS,
        )
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await server.connect()
                await server.send_message(message)
            with suppress(aiosmtplib.SMTPException, OSError):
                async with asyncio.timeout(QUIT_SECONDS):
                    await server.quit()
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _refused(max(refused.code for refused in error.recipients), recipient=True) from None
        except aiosmtplib.SMTPResponseException as error:
            raise _refused(error.code, recipient=False) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise NotSent(type(error).__name__) from None
        finally:
            server.close()


def _refused(code: int, *, recipient: bool) -> NotSent:
    # A refused login or sender is ours to mend: only a refused recipient is final.
    return NotSent(f"SMTP_{code}", for_good=recipient and code >= NO_RETRY_FROM)


def _html(letter: Letter) -> str:
    paragraphs = [_linked(part) for part in re.split(r"\n{2,}", letter.text.strip())]
    frame = _frames.get_template("frame.html")
    return frame.render(paragraphs=paragraphs, subject=letter.subject, language=letter.language.lower())


def _linked(paragraph: str) -> Markup:
    """A paragraph with its line ends kept; an address on a line of its own becomes a button."""
    lines: list[Markup] = []
    for line in paragraph.split("\n"):
        parts: list[Markup] = []
        place = 0
        for found in _url.finditer(line):
            kind = "button" if found.group() == line.strip() else "link"
            parts += [escape(line[place : found.start()]), _anchor(found.group(), kind)]
            place = found.end()
        lines.append(Markup("").join([*parts, escape(line[place:])]))
    return Markup("<br>\n").join(lines)


def _anchor(url: str, kind: str) -> Markup:
    style = {
        "button": "display:inline-block;padding:12px 20px;border:1px solid #1d3f72;border-radius:10px;color:#1d3f72",
        "link": "color:#1d3f72",
    }[kind]
    return Markup('<a href="{0}" style="{1}">{0}</a>').format(url, Markup(style))


def _one_line(text: str) -> str:
    return "".join(filter(str.isprintable, " ".join(text.split())))
