"""The table of standards in docs/authorization.md: each is shown by a test that exists and says so; none is missing."""

import ast
import re
from functools import cache

import pytest

from tests.conftest import ROOT

TABLE = re.compile(r"^\| RFC \| what \| test \|\n\|---\|---\|---\|\n((?:\|.*\|\n)+)", re.MULTILINE)
ELSEWHERE = {
    "5321": "the length of addresses: tests/test_login.py",
    "5869": "HKDF, from the cryptography library",
    "8037": "Ed25519 keys as JWK, from joserfc: the keys of tests/test_oauth_assertion.py",
}
"""Named by the code of the server, without a row: what they are for, and who covers them."""
PROOFS = [f"proof 1.{number}" for number in range(1, 28) if number != 25]
"""1.25 compares times: a command measures it, since no test asserts a clock."""


def rows() -> list[tuple[str, list[str]]]:
    """The first cell of each row, and the tests in its last."""
    found = TABLE.search((ROOT / "docs/authorization.md").read_text(encoding="utf-8"))
    assert found is not None
    cells = [line.strip("|").split(" | ") for line in found[1].splitlines()]
    return [(first.strip(), re.findall(r"`(test_\w+\.py::test_\w+)`", last)) for first, _, last in cells]


@cache
def docstrings(file: str) -> dict[str, str]:
    """Each test of a file, with what it says of itself."""
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name: ast.get_docstring(node) or "" for node in functions if node.name.startswith("test_")}


@pytest.mark.parametrize(("standard", "tests"), rows(), ids=lambda value: value if isinstance(value, str) else "")
def test_each_standard_is_shown_by_tests_that_say_so(standard: str, tests: list[str]) -> None:
    assert tests
    for test in tests:
        file, name = test.split("::")
        assert name in docstrings(file), test
        for number in re.findall(r"\d{4}", standard):
            assert f"RFC {number}" in docstrings(file)[name], test


def test_no_standard_is_forgotten() -> None:
    sources = [file.read_text(encoding="utf-8") for room in ("auth", "api") for file in (ROOT / room).rglob("*.py")]
    named = set(re.findall(r"RFC (\d{4})", "\n".join(sources)))
    told = {number for standard, _ in rows() for number in re.findall(r"\d{4}", standard)}
    assert named - told - ELSEWHERE.keys() == set()
    assert told & ELSEWHERE.keys() == set()


def test_every_proof_of_authorization_has_a_test() -> None:
    said = "\n".join(text for file in (ROOT / "tests").glob("test_*.py") for text in docstrings(file.name).values())
    assert [proof for proof in PROOFS if not re.search(rf"{re.escape(proof)}(?!\d)", said)] == []
