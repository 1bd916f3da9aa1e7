"""The GraphiQL page: the built files of ``web/dist``, answered from a fixed list, so no path can leave the folder."""

import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

BUNDLE = Path(__file__).resolve().parent.parent / "web" / "dist"
ASSET_MAX_AGE_SECONDS = 365 * 24 * 3600
NOT_BUILT = (
    "GraphiQLはまだビルドされていません。./kyoso demo を実行してください。\n"
    "GraphiQL has not been built: run ./kyoso demo, or npm ci && npm run build in web/.\n"
)
# Windows and slim images lack some of these in their own tables.
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".ttf": "font/ttf"}


class HasIssuer(Protocol):
    """What this page needs of the settings."""

    @property
    def issuer(self) -> str:
        """Origin of the deployment, such as ``https://kyoso.example``."""
        ...


@dataclass(frozen=True)
class Asset:
    """One built file, and whether its ``.gz`` lies beside it."""

    path: Path
    media_type: str
    has_gzip: bool

    def response(self, request: Request, headers: dict[str, str]) -> FileResponse:
        """Answer the file, compressed where the client takes gzip."""
        headers = {**headers, "X-Content-Type-Options": "nosniff"}
        path = self.path
        if self.has_gzip:
            headers["Vary"] = "Accept-Encoding"
            if "gzip" in request.headers.get("accept-encoding", ""):
                path = path.with_name(f"{path.name}.gz")
                headers["Content-Encoding"] = "gzip"
        return FileResponse(path, headers=headers, media_type=self.media_type)


def assets_of(bundle: Path) -> dict[str, Asset]:
    """List the built files by their path below ``bundle``; empty when nothing has been built."""
    files = {path for path in bundle.rglob("*") if path.is_file()}
    return {
        path.relative_to(bundle).as_posix(): Asset(path, _media_type(path), path.with_name(f"{path.name}.gz") in files)
        for path in sorted(files)
        if path.suffix != ".gz"
    }


def content_security_policy(issuer: str) -> str:
    """Say what the page may load: its own files only, and the WebSocket of its own origin.

    Monaco writes style attributes and style elements, so styles alone are allowed inline; scripts never are.
    """
    origin = urlsplit(issuer)
    socket = f"{'wss' if origin.scheme == 'https' else 'ws'}://{origin.netloc}"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "worker-src 'self'",
            "style-src 'self' 'unsafe-inline'",
            "font-src 'self' data:",
            "img-src 'self' data:",
            f"connect-src 'self' {socket}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def routes(settings: HasIssuer, bundle: Path = BUNDLE) -> list[Route]:
    """Routes of ``/graphiql``, its OAuth callback and its hashed files. Without a build the page answers 503."""
    assets = assets_of(bundle)
    page_headers = {
        "Content-Security-Policy": content_security_policy(settings.issuer),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
    }

    async def page(request: Request) -> Response:
        index = assets.get("index.html")
        if index is None:
            return PlainTextResponse(NOT_BUILT, status_code=503, headers={"Cache-Control": "no-store"})
        # The callback's address carries the authorization code: nobody may keep it.
        caching = "no-store" if request.url.path.endswith("/callback") else "no-cache"
        return index.response(request, {**page_headers, "Cache-Control": caching})

    async def asset(request: Request) -> Response:
        found = assets.get(f"assets/{request.path_params['name']}")
        if found is None:
            return PlainTextResponse("Not found\n", status_code=404)
        return found.response(request, {"Cache-Control": f"public, max-age={ASSET_MAX_AGE_SECONDS}, immutable"})

    return [
        Route("/graphiql", page),
        Route("/graphiql/callback", page),
        Route("/graphiql/assets/{name}", asset),
    ]


def _media_type(path: Path) -> str:
    return MEDIA_TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
