"""What is answered where nobody answers: pages for browsers, in both languages, and plain words for programs."""

import pytest

from tests.served import Served, running

__all__ = ["running"]

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unknown_address_is_a_page_with_a_way_home(served: Served, method: str) -> None:
    page = await served.http.request(method, "/no/such", headers=BROWSER)
    assert (page.status_code, page.headers["cache-control"]) == (404, "no-store")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    for said in ("ページが見つかりません", "There is no such page", '<a href="/">'):
        assert said in page.text
    assert "/no/such" not in page.text
    plain = await served.http.request(method, "/no/such")
    assert (plain.status_code, plain.text, plain.headers["content-type"]) == (
        404,
        "Not Found",
        "text/plain; charset=utf-8",
    )


@pytest.mark.parametrize(
    ("sent_to", "form"),
    [
        ("/security/password", "/security"),
        ("/security/codes", "/security"),
        ("/security/passkeys/remove", "/security"),
        ("/security/app/remove", "/security"),
        ("/login/company", "/login"),
        ("/login/passkey", "/login"),
        ("/team/invitations", "/team"),
        ("/team/invitations/withdraw", "/team"),
        ("/developer/secret", "/developer"),
    ],
)
async def test_reloading_what_a_form_was_sent_to_leads_back_to_it(served: Served, sent_to: str, form: str) -> None:
    back = await served.http.get(sent_to, headers=BROWSER)
    assert (back.status_code, back.headers["location"], back.headers["cache-control"]) == (303, form, "no-store")
    plain = await served.http.get(sent_to)
    assert (plain.status_code, plain.text, plain.headers["allow"]) == (405, "Method Not Allowed", "POST")
    put = await served.http.put(sent_to, headers=BROWSER)
    assert (put.status_code, "This page cannot be opened like this" in put.text) == (405, True)


async def test_another_method_is_a_page_for_people_and_plain_for_programs(served: Served) -> None:
    page = await served.http.get("/oauth/consent", headers=BROWSER)
    assert (page.status_code, page.headers["allow"]) == (405, "POST")
    assert "このページは直接開けません" in page.text
    program = await served.http.get("/oauth/token", headers=BROWSER)
    assert (program.status_code, program.text) == (405, "Method Not Allowed")


async def test_a_failure_of_ours_is_a_page_too(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("api.relay_page._company", fails)
    page = await served.http.get("/relay/c/aozora", headers=BROWSER)
    assert (page.status_code, page.headers["cache-control"]) == (500, "no-store")
    assert "処理できませんでした" in page.text
    assert "secret" not in page.text
    plain = await served.http.get("/relay/c/aozora")
    assert (plain.status_code, plain.text) == (500, "Internal Server Error")
