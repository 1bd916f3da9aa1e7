"""Mail: what leaves by a real SMTP server or into files, once, retried when it must be, with nothing lost or leaked."""

import asyncio
import email
import email.policy
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api import mail as post
from api.mail import Files, Letter, NotSent, Smtp, erase, message
from api.settings import Settings
from models.db import uuid7
from models.mail import LEASE_SECONDS
from tests.builders import MASTER_KEY

LETTER = Letter(
    id=UUID("01900000-0000-7000-8000-000000000001"),
    to=("yui.sasaki@example.com",),
    sender="株式会社あおぞら製作所ホールディングス",
    subject="選考結果のご連絡",
    text="佐々木 結衣 様\n\n<次>のページをご覧ください。\nhttps://kyoso.example.jp/relay/AbC_-1\n\n末筆ながら\n",
    language="JA",
)


class Box:
    """A mailbox that a real SMTP server fills; `refuse` names the answer to a recipient."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []
        self.refuse: str | None = None

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.envelopes.append((session.ssl is not None, envelope))
        return "250 Message accepted"

    def messages(self) -> list[EmailMessage]:
        return [email.message_from_bytes(each.content, policy=email.policy.default) for _, each in self.envelopes]  # type: ignore[misc]


@asynccontextmanager
async def smtp(box: Box, **options: Any) -> AsyncIterator[int]:
    """An SMTP server on a loopback port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, loop=loop, **options), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def certificate(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for 127.0.0.1, and the file of the authority that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, key_file = directory / "authority.pem", directory / "key.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key_file.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key_file)
    return context, file


def settings(directory: Path, **words: Any) -> Settings:
    url = "postgresql://localhost/kyoso"
    given = {"issuer": "https://kyoso.example.jp", "mail_from": "Kyoso <no-reply@kyoso.example.jp>"}
    return Settings(url, url, master_key=MASTER_KEY, data_dir=directory, **{**given, **words})


def test_a_letter_is_plain_text_and_the_same_in_html(tmp_path: Path) -> None:
    made = email.message_from_bytes(message(LETTER, settings(tmp_path)).as_bytes(), policy=email.policy.default)
    sender = email.message_from_bytes(message(LETTER, settings(tmp_path)).as_bytes(), policy=email.policy.compat32)[
        "From"
    ]
    # Python 3.11's own parser puts a blank between two encoded words of a name (RFC 2047, 6.2 says: none).
    assert str(make_header(decode_header(sender))).startswith("株式会社あおぞら製作所ホールディングス（共創 Kyoso）")
    assert made["Message-ID"] == "<01900000-0000-7000-8000-000000000001@kyoso.example.jp>"
    assert made["Auto-Submitted"] == "auto-generated"
    plain, html = made.iter_parts()  # type: ignore[attr-defined]
    assert plain.get_content().replace("\r\n", "\n") == LETTER.text
    text = html.get_content()
    assert '<html lang="ja">' in text
    assert "&lt;次&gt;のページ" in text
    assert text.count('href="https://kyoso.example.jp/relay/AbC_-1"') == 1


def test_a_line_break_in_a_name_or_subject_makes_no_header(tmp_path: Path) -> None:
    forged = Letter(LETTER.id, LETTER.to, "会社\r\nBcc: a@b.example", "件名\nBcc: a@b.example", "本文", "JA")
    made = email.message_from_bytes(message(forged, settings(tmp_path)).as_bytes(), policy=email.policy.default)
    assert made["Bcc"] is None
    assert made["Subject"] == "件名 Bcc: a@b.example"


async def test_mail_leaves_over_starttls_with_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, authority = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    logins: list[LoginPassword] = []

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        logins.append(data)
        return AuthResult(success=True)

    box = Box()
    async with smtp(box, tls_context=context, require_starttls=True, authenticator=check, auth_required=True) as port:
        sender = Smtp(f"smtp://kyoso:p%40ss@127.0.0.1:{port}?starttls")
        await sender.send(message(LETTER, settings(tmp_path)))
    assert logins == [LoginPassword(b"kyoso", b"p@ss")]
    assert [(tls, envelope.rcpt_tos) for tls, envelope in box.envelopes] == [(True, ["yui.sasaki@example.com"])]
    assert box.messages()[0]["Subject"] == "選考結果のご連絡"


async def test_a_server_without_starttls_is_not_trusted_with_mail(tmp_path: Path) -> None:
    box = Box()
    async with smtp(box) as port:
        with pytest.raises(NotSent) as refused:
            await Smtp(f"smtp://127.0.0.1:{port}?starttls").send(message(LETTER, settings(tmp_path)))
    assert not refused.value.for_good
    assert box.envelopes == []


@pytest.mark.parametrize(
    ("answer", "code", "for_good"),
    [("550 No such user yui.sasaki@example.com", "SMTP_550", True), ("451 Try again", "SMTP_451", False)],
)
async def test_a_refused_recipient_is_final_only_when_the_server_says_so(
    tmp_path: Path, answer: str, code: str, for_good: bool
) -> None:
    box = Box()
    box.refuse = answer
    async with smtp(box) as port:
        with pytest.raises(NotSent) as refused:
            await Smtp(f"smtp://127.0.0.1:{port}").send(message(LETTER, settings(tmp_path)))
    assert (refused.value.code, refused.value.for_good) == (code, for_good)
    assert "sasaki" not in str(refused.value)


async def test_a_server_that_is_away_is_tried_again(tmp_path: Path) -> None:
    with pytest.raises(NotSent) as refused:
        await Smtp("smtp://127.0.0.1:1").send(message(LETTER, settings(tmp_path)))
    assert not refused.value.for_good


async def test_a_mail_is_sent_before_its_lease_ends_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may be slow with each of many answers: together they could outlast the lease."""

    class Slow(Box):
        async def handle_RCPT(self, *given: Any) -> str:  # noqa: N802
            await asyncio.sleep(0.2)
            return await super().handle_RCPT(*given)

    assert post.SEND_SECONDS + post.QUIT_SECONDS < LEASE_SECONDS / 1.5
    monkeypatch.setattr(post, "SEND_SECONDS", 1.0)
    box, letter = Slow(), replace(LETTER, to=tuple(f"{number}@example.com" for number in range(20)))
    async with smtp(box) as port:
        with pytest.raises(NotSent) as late:
            await Smtp(f"smtp://127.0.0.1:{port}").send(message(letter, settings(tmp_path)))
    assert (late.value.code, late.value.for_good, box.envelopes) == ("TimeoutError", False, [])


@pytest.mark.parametrize("goodbye", [None, "421 Too busy", "drops"])
async def test_what_the_server_took_is_sent_whatever_it_says_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goodbye: str | None
) -> None:
    """Silence, an error or a lost connection after QUIT."""

    class Rude(Box):
        async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            if goodbye == "drops":
                server.transport.abort()
            if goodbye is None:
                await asyncio.sleep(30)
            return goodbye or ""

    monkeypatch.setattr(post, "QUIT_SECONDS", 0.3)
    box = Rude()
    async with smtp(box) as port, asyncio.timeout(10):
        await Smtp(f"smtp://127.0.0.1:{port}").send(message(LETTER, settings(tmp_path)))
    assert len(box.envelopes) == 1


async def test_without_a_server_mail_becomes_a_file_that_erasure_removes(tmp_path: Path) -> None:
    given = settings(tmp_path)
    await Files(tmp_path / "mail").send(message(LETTER, given))
    (file,) = (tmp_path / "mail").iterdir()
    assert file.name == f"{LETTER.id}.eml"
    assert file.stat().st_mode & 0o777 == 0o600
    assert email.message_from_bytes(file.read_bytes(), policy=email.policy.default)["To"] == "yui.sasaki@example.com"
    erase(given, [uuid7(), LETTER.id])
    assert list((tmp_path / "mail").iterdir()) == []
