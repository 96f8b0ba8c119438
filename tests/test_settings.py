"""Settings are checked when they are read, and no message shows a password."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from touchline.errors import InvalidSetting, TouchlineError, failure_in_words
from touchline.features import open_online_store
from touchline.registry import open_tracking
from touchline.serving.telemetry.log_format import JsonLines, Words
from touchline.settings import Settings


@pytest.mark.parametrize(
    ("name", "address", "reason"),
    [
        ("REDIS_URL", "http://cache:6379", "starts with one of redis://"),
        ("REDIS_URL", "cache:6379", "starts with one of redis://"),
        ("REDIS_URL", "redis://cache:port", "port is no number"),
        ("REDIS_URL", "redis://cache:70000", "port is no number"),
        ("REDIS_URL", "redis://cache:6379/main", "number of the Redis database"),
        ("REDIS_URL", "redis://ops:s3cr/t@cache:6379/0", "percent-encoded"),
        ("REDIS_URL", "redis://ops:s3cr#t@cache:6379/0", "percent-encoded"),
        ("REDIS_URL", "redis://ops:s3cr@t@cache:6379/0", "percent-encoded"),
        ("MLFLOW_TRACKING_URI", "ftp://mlflow", "starts with one of http://"),
        ("MLFLOW_TRACKING_URI", "http://", "host is missing"),
        ("MLFLOW_TRACKING_URI", "https://ops:s3cr?t@mlflow:5000", "percent-encoded"),
        ("API_KEY", "s3cr\u00e9t", "one word of ASCII"),
        ("API_KEY", "s3cr\nt", "one word of ASCII"),
        ("DATABASE_URL", "oracle://ops:s3cret@db/x", "starts with one of sqlite://"),
        ("DATABASE_URL", "postgresql://ops:s3cret@db:x/touchline", "port is no number"),
        ("DATABASE_URL", "postgresql://ops:s3cr et@db:x/touchline", "port is no number"),
        ("DATABASE_URL", "postgresql://ops:12 s3cr@t@db:x/touchline", "percent-encoded"),
        ("REDIS_URL", "redis://s3cret@cache:x/0", "port is no number"),
        ("REDIS_URL", "redis://s3cr/t@cache:6379/0", "percent-encoded"),
        ("REDIS_URL", "redis://s3cr://t@cache:6379/0", "percent-encoded"),
    ],
)
def test_a_wrong_address_is_named_without_its_password(name: str, address: str, reason: str) -> None:
    with pytest.raises(InvalidSetting, match=reason) as raised:
        Settings.from_environment({f"TOUCHLINE_{name}": address})
    assert f"TOUCHLINE_{name}" in str(raised.value)
    assert "s3cr" not in str(raised.value)


def test_a_misspelt_setting_names_the_nearest_in_whole_sentences() -> None:
    with pytest.raises(InvalidSetting) as raised:
        Settings.from_environment({"TOUCHLINE_PROT": "9000"})
    assert str(raised.value) == (
        "Setting TOUCHLINE_PROT is not a setting: Did you mean 'TOUCHLINE_PORT'? Change it in the environment."
    )
    with pytest.raises(InvalidSetting, match=r"Known: .*TOUCHLINE_SPARK_MASTER, .*\. Change it"):
        Settings.from_environment({"TOUCHLINE_QQQ": "1"})


@pytest.mark.parametrize(
    "address", ["redis://cache", "rediss://:p%40ss@cache:6380/2", "unix:///run/redis.sock", "valkey://cache:6379/0"]
)
def test_right_addresses_are_taken_as_they_are(address: str) -> None:
    assert Settings.from_environment({"REDIS_URL": address}).redis_url == address


@pytest.mark.parametrize(
    "address", ["postgresql://db/x?user=ops&password=s3cret", "postgresql://db/x?password=s3cret&sslmode=require"]
)
def test_a_password_in_the_query_of_an_address_is_hidden(address: str) -> None:
    assert "s3cret" not in str(TouchlineError(f"{address} is not available"))
    assert "user=ops" in str(TouchlineError(address)) or "sslmode=require" in str(TouchlineError(address))


@pytest.mark.parametrize(
    "text",
    [
        "redis://s3cret@cache:6379/0 is away",
        "https://s3cret@git.example/data.csv answered 404",
        "redis://:s3cr et@cache:6379/0 is away; mail ann@ops.example",
        "postgresql://ops:s3cr et@db/x, postgresql://ops:two s3cret words@db/y",
        "at http://127.0.0.1:5000/x and valkeys://ops:s3cret@cache",
        "https://feed.example/x?page=2&apikey=s3cret&sort=up",
        "https://bucket.example/x?X-Amz-Credential=s3cret&X-Amz-Signature=s3cret",
        "the key tl_01K5ABCDEFGHJKMNPQRSTVWXYZ_s3cret-s3cret_s3cret is no setting",
    ],
)
def test_no_form_of_a_secret_stands_in_a_message_or_a_log_line(text: str) -> None:
    try:
        raise ValueError(text)  # as another library does
    except ValueError as wrong:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "%s", (text,), (ValueError, wrong, wrong.__traceback__))
    lines = [str(TouchlineError(text)), failure_in_words(ValueError(text)), *log_lines(record)]
    assert not [line for line in lines if "s3cr" in line]


def log_lines(record: logging.LogRecord) -> list[str]:
    return [JsonLines().format(record), Words("%(message)s").format(record)]


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://touchline@db/touchline is away",
        "http://127.0.0.1:5000/x refused ann@ops.example",
        "http://proxy:80, as ann@ops.example said",
        "s3://bucket/key@2 and sqlite:////tmp/a@b/c.db",
    ],
)
def test_what_is_no_secret_is_shown(text: str) -> None:
    assert str(TouchlineError(text)) == text


def test_hiding_takes_time_in_proportion_to_the_text() -> None:
    """20,000 addresses take a fraction of a second; each compared with what follows, more than a minute."""
    text = "http://a:" * 20_000
    assert TouchlineError(text).args == (text,)


def test_the_messages_of_stores_that_are_away_show_no_password() -> None:
    store = open_online_store("redis", "redis://ops:s3cret@127.0.0.1:1/0")
    with pytest.raises(TouchlineError) as redis:
        store.read([b"key"])
    tracking = open_tracking("http://ops:s3cret@127.0.0.1:1")
    with pytest.raises(TouchlineError) as mlflow:
        type(tracking)(tracking.uri, patience=()).attempt(lambda: tracking.client.search_experiments())
    for raised in (redis, mlflow):
        assert "127.0.0.1:1" in str(raised.value)
        assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("name", ["TOUCHLINE_DATABASE_URL", "DATABASE_URL"])
def test_a_setting_is_read_from_the_file_that_its_variable_names(tmp_path: Path, name: str) -> None:
    secret = tmp_path / "url"
    secret.write_text("postgresql://ops:s3cret@db/touchline\n")
    settings = Settings.from_environment({f"{name}_FILE": str(secret)})
    assert settings.database_url == "postgresql://ops:s3cret@db/touchline"
    with pytest.raises(InvalidSetting, match=f"{name} is set, too; set one of them"):
        Settings.from_environment({f"{name}_FILE": str(secret), name: "sqlite:///x.db"})


@pytest.mark.parametrize(("content", "message"), [(None, "cannot be read"), ("\n", "is empty")])
def test_a_secret_file_that_has_no_secret_stops_the_start(tmp_path: Path, content: str | None, message: str) -> None:
    secret = tmp_path / "key"
    if content is not None:
        secret.write_text(content)
    with pytest.raises(InvalidSetting, match=f"TOUCHLINE_API_KEY_FILE .*{message}"):
        Settings.from_environment({"TOUCHLINE_API_KEY_FILE": str(secret)})


def test_a_secret_is_in_no_text_of_the_settings_and_no_error() -> None:
    settings = Settings.from_environment({"TOUCHLINE_API_KEY": "k3y", "TOUCHLINE_BACKUP_PASSWORD": "p4ss"})
    assert "k3y" not in repr(settings)
    assert "p4ss" not in repr(settings)
    with pytest.raises(InvalidSetting) as refused:
        Settings.from_environment({"TOUCHLINE_API_KEY": "two words"})
    assert "two words" not in str(refused.value)
