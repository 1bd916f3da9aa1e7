"""The house keeps its rooms: imports point one way, one place reads the environment, nothing grows too large."""

import ast
import importlib.util
import os
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median, quantiles

import pytest

from tests.conftest import ROOT

MAY_IMPORT = {
    "planner": {"planner"},
    "models": {"models"},
    "auth": {"models", "auth", "planner"},
    "schema": {"models", "auth", "schema", "planner"},
    "api": {"models", "auth", "schema", "planner", "api"},
}
HTTP = {"starlette", "uvicorn", "httpx"}
GRAPHQL = {"strawberry", "graphql"}
TOKENS = {"authlib", "joserfc"}
KNOWS_NOTHING_OF = {
    "planner": HTTP | TOKENS | {"tortoise"},
    "models": HTTP | TOKENS | GRAPHQL,
    "auth": {"uvicorn"},
    "schema": HTTP | TOKENS,
}
WORDS_OF_MODELS = (
    {"db", "errors"},
    {"outbox"},
    {"partner"},
    {"agreement"},
    {"person", "consent", "provision", "candidate"},
    {"referral"},
    {"credit"},
    {"application"},
    {"selection"},
    {"ledger"},
    {"relay"},
    {"contribution"},
    {"outcome"},  # decisions with all that follows from them, contributions too
    {"reward"},
    {"trust"},
)
NO_ROOM_FOR = re.compile(r"(utils?|helpers?|common|misc|services?)(\.py)?")
FUNCTION_LINES_MAX = 69
FILE_LINES_MEDIAN_MAX = 120
FILE_LINES_95TH_MAX = 350
PLACES_OF_ONE_MACHINE = re.compile(r"(?<![\w.~])/(?:work|root|home/(?!\$|<|\{)\w+)/")
TEXTS = ("*.py", "*.md", "*.sql", "*.ts", "*.tsx", "*.graphql", "*.toml", "kyoso", "Dockerfile", "run")
NOT_OURS = {".venv", ".git", "node_modules", "dist", ".kyoso", "__pycache__"}


def texts() -> Iterator[Path]:
    """Whatever people read and write here; what is installed is not even looked into."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(set(folders) - NOT_OURS)
        yield from (Path(folder, name) for name in sorted(names) if any(fnmatch(name, each) for each in TEXTS))


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def imports(file: Path) -> Iterator[str]:
    """Every module a file imports, at its top or deeper, as a full name."""
    package = file.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            yield module
            yield from (f"{module}.{name.name}" for name in node.names)


@cache
def defined(file: Path) -> set[str]:
    """What a file names at its top level, and what it offers of others'."""
    names = set[str]()
    for node in parsed(file).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id="__all__")], value=offered):
                names.update(ast.literal_eval(offered))
            case ast.Assign(targets=targets):
                names.update(each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                pass
    return names


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room: str) -> None:
    backwards = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files(room)
        for name in imports(file)
        if name.partition(".")[0] in MAY_IMPORT.keys() - MAY_IMPORT[room]
    ]
    assert backwards == []


@pytest.mark.parametrize("room", KNOWS_NOTHING_OF)
def test_rooms_know_only_their_trade(room: str) -> None:
    strangers = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files(room)
        for name in imports(file)
        if name.partition(".")[0] in KNOWS_NOTHING_OF[room]
    ]
    assert strangers == []


def test_words_of_models_build_on_earlier_words_only() -> None:
    place = {word: number for number, words in enumerate(WORDS_OF_MODELS) for word in words}
    arrows = {
        file.stem: {name.split(".")[1] for name in imports(file) if name.startswith("models.")} - {file.stem}
        for file in files("models")
        if file.parent.name == "models"
    }
    backwards = [
        f"models.{word} imports models.{used}"
        for word, used_words in arrows.items()
        for used in used_words
        if word in place and used in place and place[used] > place[word]
    ]
    assert backwards == []
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        pytest.fail(f"models import each other in a circle: {' -> '.join(error.args[1])}")


def test_one_place_reads_the_environment() -> None:
    readers = {
        str(file.relative_to(ROOT))
        for room in MAY_IMPORT
        for file in files(room)
        for node in ast.walk(parsed(file))
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"))
        or (isinstance(node, ast.alias) and node.name in ("environ", "getenv"))
    }
    assert readers == {"api/settings.py"}


def test_every_file_has_a_name_that_says_what_it_is() -> None:
    vague = [
        str(path.relative_to(ROOT))
        for room in MAY_IMPORT
        for path in (ROOT / room).rglob("*")
        if NO_ROOM_FOR.fullmatch(path.name)
    ]
    assert vague == []


def test_a_name_is_imported_from_the_room_that_defines_it() -> None:
    """Or from one that offers it (`__all__`)."""
    elsewhere = [
        f"{file.relative_to(ROOT)}: {node.module}.{name.name}"
        for room in MAY_IMPORT
        for file in files(room)
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.ImportFrom) and node.module
        if (there := ROOT / f"{node.module.replace('.', '/')}.py").exists()
        for name in node.names
        if name.name not in defined(there)
    ]
    assert elsewhere == []


def test_functions_are_small() -> None:
    long = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for room in MAY_IMPORT
        for file in files(room)
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_files_are_small() -> None:
    sizes = [len(file.read_text(encoding="utf-8").splitlines()) for room in MAY_IMPORT for file in files(room)]
    assert median(sizes) <= FILE_LINES_MEDIAN_MAX
    assert quantiles(sizes, n=20)[-1] <= FILE_LINES_95TH_MAX


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_packages_are_ours(room: str) -> None:
    # PyPI knows packages of these names.
    found = importlib.util.find_spec(room)
    assert found is not None
    assert [Path(place) for place in found.submodule_search_locations or ()] == [ROOT / room]


def test_no_place_of_one_machine_is_written_down() -> None:
    told = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in texts()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if PLACES_OF_ONE_MACHINE.search(line) and path != Path(__file__)
    ]
    assert told == []
