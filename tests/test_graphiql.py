"""GraphiQL: its samples, its headers, its files."""

import gzip
import re
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from graphql import GraphQLSchema, OperationType, build_schema, parse, validate
from graphql.language import OperationDefinitionNode
from starlette.applications import Starlette

from api import graphiql

ROOT = Path(__file__).parent.parent
SAMPLES = sorted((ROOT / "web" / "src" / "samples").glob("*.graphql"))
ISSUER = "http://127.0.0.1:8000"

built = pytest.mark.skipif(
    not (graphiql.BUNDLE / "index.html").exists(), reason="web/dist is not built: npm ci && npm run build in web/"
)


@pytest.fixture(scope="module")
def sdl() -> GraphQLSchema:
    path = ROOT / "schema" / "schema.graphql"
    if not path.exists():
        pytest.skip("schema/schema.graphql is not there yet")
    # Federation's directives come by @link, which graphql-core does not follow.
    return build_schema(path.read_text("utf-8"), assume_valid_sdl=True)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of three files, one of them with its .gz."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>page</title>")
    (tmp_path / "assets" / "index-AbCd1234.js").write_text("export {}")
    (tmp_path / "assets" / "index-AbCd1234.js.gz").write_bytes(gzip.compress(b"export {}"))
    (tmp_path / "secret.txt").write_text("outside assets")
    return tmp_path


async def get(bundle: Path, path: str, issuer: str = ISSUER, accept_encoding: str = "gzip") -> httpx.Response:
    app = Starlette(routes=graphiql.routes(SimpleNamespace(issuer=issuer), bundle))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=issuer) as client:
        return await client.get(path, headers={"accept-encoding": accept_encoding})


def test_there_are_eight_samples() -> None:
    assert [path.stem for path in SAMPLES] == [
        "contributions",
        "handovers",
        "kpis",
        "neighbourhood",
        "outcome_events",
        "relay",
        "satisfaction",
        "viewer",
    ]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_each_sample_is_valid_against_the_committed_schema(path: Path, sdl: GraphQLSchema) -> None:
    assert validate(sdl, parse(path.read_text("utf-8"))) == []


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_each_sample_is_one_named_operation_explained_in_japanese(path: Path) -> None:
    text = path.read_text("utf-8")
    (operation,) = parse(text).definitions
    assert isinstance(operation, OperationDefinitionNode)
    assert operation.name is not None
    expected = OperationType.SUBSCRIPTION if path.stem == "outcome_events" else OperationType.QUERY
    assert operation.operation is expected
    assert re.match(r"# [^\n]*[ぁ-んァ-ヶ一-龯]", text)
    assert f"'./{path.name}?raw'" in (path.parent / "index.ts").read_text("utf-8")


async def test_the_page_may_load_only_its_own_files(bundle: Path) -> None:
    response = await get(bundle, "/graphiql")
    assert response.status_code == 200
    assert response.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; "
        "font-src 'self' data:; img-src 'self' data:; connect-src 'self' ws://127.0.0.1:8000; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cross-origin-opener-policy"] == "same-origin"
    assert response.headers["cache-control"] == "no-cache"


async def test_behind_https_the_socket_is_wss(bundle: Path) -> None:
    response = await get(bundle, "/graphiql", "https://kyoso.example")
    assert "connect-src 'self' wss://kyoso.example;" in response.headers["content-security-policy"]


async def test_the_callback_is_the_same_page_and_is_never_stored(bundle: Path) -> None:
    response = await get(bundle, "/graphiql/callback?code=abc&state=def")
    assert response.text == "<!doctype html><title>page</title>"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"


async def test_hashed_files_are_kept_for_a_year_and_sent_as_gzip_to_who_takes_it(bundle: Path) -> None:
    plain = await get(bundle, "/graphiql/assets/index-AbCd1234.js", accept_encoding="identity")
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["content-type"] == "text/javascript; charset=utf-8"
    assert plain.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in plain.headers
    packed = await get(bundle, "/graphiql/assets/index-AbCd1234.js")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["content-type"] == "text/javascript; charset=utf-8"
    assert packed.text == plain.text == "export {}"


@pytest.mark.parametrize(
    "name", ["missing.js", "index-AbCd1234.js.gz", "..%2fsecret.txt", "..%2findex.html", "%2e%2e%2fsecret.txt"]
)
async def test_no_other_file_is_reachable(bundle: Path, name: str) -> None:
    response = await get(bundle, f"/graphiql/assets/{name}")
    assert response.status_code == 404
    assert "outside assets" not in response.text


async def test_without_a_build_the_page_says_what_to_do(tmp_path: Path) -> None:
    response = await get(tmp_path, "/graphiql")
    assert response.status_code == 503
    assert "./kyoso demo" in response.text


@built
def test_the_built_page_names_only_its_own_files() -> None:
    html = (graphiql.BUNDLE / "index.html").read_text("utf-8")
    addresses = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert addresses
    served = graphiql.assets_of(graphiql.BUNDLE)
    assert [address for address in addresses if address.removeprefix("/graphiql/") not in served] == []
    assert "<script>" not in html


@built
def test_the_built_bundle_has_three_workers_and_no_source_maps() -> None:
    names = set(graphiql.assets_of(graphiql.BUNDLE))
    for worker in ("editor", "json", "graphql"):
        assert [name for name in names if re.fullmatch(rf"assets/{worker}\.worker-[\w-]{{8}}\.js", name)]
    assert [name for name in names if name.endswith(".map")] == []
