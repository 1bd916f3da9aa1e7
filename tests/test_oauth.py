"""The authorization server over real sockets: client credentials, metadata, revocation and introspection."""

pytest_plugins = ["tests.oauth_house"]


async def test_a_backend_gets_a_token_and_the_token_says_who_asks(house):
    backend = await house.client(scope=["network:read", "relay:write"])
    answer = await house.token(backend, scope="relay:write")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert {name: body[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "relay:write",
    }
    viewer = await house.tokens.verify(body["access_token"])
    assert viewer.partner_id == house.company
    assert (viewer.kind, viewer.client_id, viewer.member_id) == ("COMPANY", backend.client_id, None)
    assert viewer.scopes == {"relay:write"}
    assert viewer.standing == {"relay:write", "relay:read"}
