"""Settings: what is missing or wrong is named, with its cure, in one line; secrets stay out of sight."""

from base64 import b64encode
from pathlib import Path

import pytest
from click.testing import CliRunner

from api.cli import main
from api.settings import Settings, SettingsError, from_environment

KEY = bytes(range(32))
GOOD = {
    "KYOSO_DATABASE_URL": "postgresql://kyoso:hidden@db.example.jp/kyoso",
    "KYOSO_ISSUER": "https://kyoso.example.jp",
    "KYOSO_MASTER_KEY": b64encode(KEY).decode(),
}


def test_three_variables_suffice() -> None:
    settings = from_environment(GOOD)
    assert settings == Settings(
        database_url=GOOD["KYOSO_DATABASE_URL"],
        migration_url=GOOD["KYOSO_DATABASE_URL"],
        issuer="https://kyoso.example.jp",
        master_key=KEY,
        data_dir=Path(".kyoso"),
    )
    assert "hidden" not in repr(settings)
    assert repr(KEY) not in repr(settings)


def test_commands_go_around_the_pooler_and_replicas_are_a_list() -> None:
    around = "postgresql://kyoso:hidden@db1.example.jp/kyoso"
    replicas = {"KYOSO_REPLICA_URLS": "postgresql://kyoso@r1/kyoso, postgresql://kyoso@r2/kyoso"}
    settings = from_environment(GOOD | {"KYOSO_DIRECT_DATABASE_URL": around} | replicas)
    assert (settings.pooled, settings.session_url, settings.migration_url) == (True, around, around)
    assert settings.replica_urls == ("postgresql://kyoso@r1/kyoso", "postgresql://kyoso@r2/kyoso")
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KYOSO_TRUSTED_PROXIES", "*"),
        ("KYOSO_TRUSTED_PROXIES", "127.0.0.1, ::1,10.0.0.0/8"),
        ("KYOSO_MAIL_FROM", "no-reply@localhost"),
        ("KYOSO_MAIL_FROM", "Kyoso 共創 <no-reply@kyoso.example.jp>"),
        ("KYOSO_DATA_DIR", "/nowhere/yet"),
    ],
)
def test_what_can_work_is_taken(name: str, value: str) -> None:
    taken = from_environment(GOOD | {name: value})
    assert str(getattr(taken, name.removeprefix("KYOSO_").lower())) == value


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("KYOSO_DATABASE_URL", "", "KYOSO_DATABASE_URL is not set: for example postgresql://"),
        ("KYOSO_DATABASE_URL", "mysql://h/d", "KYOSO_DATABASE_URL must look like postgresql://"),
        ("KYOSO_MIGRATION_URL", "postgresql://h", "KYOSO_MIGRATION_URL must look like postgresql://"),
        ("KYOSO_DIRECT_DATABASE_URL", "h:5432", "KYOSO_DIRECT_DATABASE_URL must look like postgresql://"),
        ("KYOSO_REPLICA_URLS", "postgresql://a/d, b/d", "KYOSO_REPLICA_URLS must look like postgresql://"),
        ("KYOSO_ISSUER", " ", "KYOSO_ISSUER is not set: the public address"),
        ("KYOSO_ISSUER", "https://kyoso.example.jp/", "KYOSO_ISSUER must be an address without query and final slash"),
        ("KYOSO_ISSUER", "http://kyoso.example.jp", "KYOSO_ISSUER must start with https://"),
        ("KYOSO_MASTER_KEY", "", "KYOSO_MASTER_KEY is not set: make one with `openssl rand -base64 32`"),
        ("KYOSO_MASTER_KEY", "not base64!", "KYOSO_MASTER_KEY is not base64: make one"),
        ("KYOSO_MASTER_KEY", b64encode(KEY[:31]).decode(), "KYOSO_MASTER_KEY must be 32 bytes in base64"),
        ("KYOSO_SMTP_URL", "mail.example.jp", "KYOSO_SMTP_URL must look like smtp://"),
        ("KYOSO_TRUSTED_PROXIES", "proxy", "KYOSO_TRUSTED_PROXIES must be addresses or networks, such as"),
        ("KYOSO_TRUSTED_PROXIES", "127.0.0.1,,::1", "KYOSO_TRUSTED_PROXIES must be addresses or networks, such as"),
        ("KYOSO_TRUSTED_PROXIES", "10.0.0.1/8", "KYOSO_TRUSTED_PROXIES must be addresses or networks, such as"),
        ("KYOSO_MAIL_FROM", "not a mail", "KYOSO_MAIL_FROM must look like Kyoso <"),
        ("KYOSO_MAIL_FROM", "Kyoso <no-reply>", "KYOSO_MAIL_FROM must look like Kyoso <"),
        ("KYOSO_DATA_DIR", "/etc/hostname", "KYOSO_DATA_DIR must be a directory, and this is a file"),
        ("KYOSO_DATA_DIR", "/etc/hostname/below", "KYOSO_DATA_DIR must be a directory, and this is a file"),
        ("KYOSO_LOG_LEVEL", "loud", "KYOSO_LOG_LEVEL must be one of debug, info, warning, error"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        from_environment(GOOD | {name: value})
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)
    assert not value.strip() or value not in str(refused.value)


def test_migrate_says_in_one_line_that_the_database_is_out_of_reach() -> None:
    unreachable = GOOD | {"KYOSO_DATABASE_URL": "postgresql://kyoso:hidden@127.0.0.1:9/kyoso"}
    refused = CliRunner().invoke(main, ["migrate"], env=unreachable)
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: cannot reach the database of KYOSO_MIGRATION_URL: ")
    assert len(refused.output.splitlines()) == 1
    assert "hidden" not in refused.output
