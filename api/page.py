"""Pages for people: rendered from `api/templates`, with headers that let nobody frame or keep them.

No page needs a script; two offer passkeys with one.
"""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from ipaddress import IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from models.japan import JAPAN

IPV6_PREFIX_BITS = 64

_HERE = Path(__file__).parent


def _static(name: str) -> str:
    """Where a file of ours is fetched; another content is another address."""
    return f"/static/{name}?{sha256((_HERE / 'static' / name).read_bytes()).hexdigest()[:12]}"


_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_globals: dict[str, Any] = _templates.globals
_globals.update(stylesheet=_static("kyoso.css"), passkey_script=_static("passkey.js"), language="ja")

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def render(
    name: str, *, status: int = 200, form_targets: Iterable[str] = (), script: bool = False, **context: Any
) -> Response:
    """A page from the template `name`.

    `form_targets`: origins, besides our own, to which the answer to one of its forms may redirect (a browser holds
    redirects against `form-action` too). `script`: whether it may load a script of our own.
    """
    targets = " ".join(("'self'", *form_targets))
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action {targets}" + ("; script-src 'self'" if script else "")
    )
    body = _templates.get_template(name).render(context)
    return HTMLResponse(body, status, {**HEADERS, "Content-Security-Policy": policy})


def redirect(location: str, done: str = "") -> Response:
    """To another page by GET, with nothing kept on the way. `done`: the word of `oauth/done.html` that it says then."""
    return RedirectResponse(f"{location}?done={done}" if done else location, 303, HEADERS)


def from_our_page(request: Request, issuer: str) -> bool:
    """Whether a POST was sent by one of our own pages, as far as the browser says.

    Our pages send no referrer, and then browsers write `Origin: null`; Sec-Fetch-Site tells it from a foreign frame.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    return origin == issuer if origin not in (None, "null") else site == "same-origin"


def address_of(request: Request) -> str:
    """Where a request comes from, as attempts are counted: of IPv6 the /64, since one household has a whole one."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(IPv6Network((int(address), IPV6_PREFIX_BITS), strict=False))
    return host


def origin_of(uri: str) -> str:
    """Scheme, host and port of an absolute address."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def day(at: datetime) -> str:
    """An instant as the day it is in Japan, the same in both languages."""
    return f"{at.astimezone(JAPAN):%Y-%m-%d}"


def minute(at: datetime) -> str:
    """An instant as the day and the minute that it is in Japan, the same in both languages."""
    return f"{at.astimezone(JAPAN):%Y-%m-%d %H:%M}"


routes = [Mount("/static", StaticFiles(directory=_HERE / "static"))]
