"""Secrets by command, API and page: values go in, only names come out."""

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from commands import secrets as commands
from pipeline.errors import NotFound, Rejected
from store import secrets
from store.sealing import seal_of
from store.secrets import Scope
from store.session import Database
from tests import factories as make
from tests import serving
from tests.conftest import MOMENT

VALUE = "s3cr3t-valué"
API = "/api/v1/secrets"


@pytest.fixture(autouse=True)
def application(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Flask:
    shutil.copyfile(sqlite_template, tmp_path / "slipway.db")
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    made = serving.app(tmp_path, at=MOMENT)
    with database(tmp_path).begin() as session:
        make.project(session, "shop")
    return made


def database(home: Path) -> Database:
    return Database(f"sqlite:///{home / 'slipway.db'}")


def say(*words: str, input: str | bytes = "") -> Result:
    return CliRunner().invoke(commands.secret, words, input=input, standalone_mode=False, catch_exceptions=False)


def value(home: Path, name: str, environment: str = "") -> str:
    with database(home).read() as session:
        return secrets.given(session, seal_of(home), [name], project="shop", environment=environment)[name]


def test_a_secret_is_set_listed_and_removed(tmp_path: Path) -> None:
    assert (
        "TOKEN is set for shop:production"
        in say("set", "TOKEN", "--project", "shop", "--environment", "production", input=f"{VALUE}\n").output
    )
    say("set", "TOKEN", input="line one\nline two\r\n")
    assert value(tmp_path, "TOKEN", "production") == VALUE
    assert value(tmp_path, "TOKEN") == "line one\nline two"
    listed = json.loads(say("list", "--json").output)["items"]
    assert [(one["name"], one["scope"], one["environment"]) for one in listed] == [
        ("TOKEN", "all", None),
        ("TOKEN", "shop:production", "production"),
    ]
    assert VALUE not in say("list").output
    say("rm", "TOKEN")
    with pytest.raises(NotFound, match="no secret TOKEN for all; there is one for shop:production") as missing:
        say("rm", "TOKEN")
    assert missing.value.fix == "./slipway secret rm TOKEN --project shop --environment production"
    assert "shop:production" in say("list").output
    say("rm", "TOKEN", "--project", "shop", "--environment", "production")
    assert "No secret is set" in say("list").output
    with pytest.raises(NotFound):
        say("rm", "TOKEN")


@pytest.mark.parametrize(
    ("words", "given", "code"),
    [
        (("A-B",), "x", "bad_secret_name"),
        (("1A",), "x", "bad_secret_name"),
        (("A",), "\n", "bad_secret"),
        (("A",), "a\0b", "bad_secret"),
        (("A",), b"\xff\xfe", "bad_secret"),
        (("A",), "x" * 65_537, "bad_secret"),
        (("A", "--project", "nobody"), "x", "not_found"),
        (("A", "--environment", "Not A Name"), "x", "bad_name"),
    ],
)
def test_what_cannot_be_a_secret_is_refused_with_a_sentence(
    words: tuple[str, ...], given: str | bytes, code: str
) -> None:
    with pytest.raises(Rejected) as refused:
        say("set", *words, input=given)
    assert (refused.value.code, bool(refused.value.fix)) == (code, True)


def test_the_longest_secret_is_kept_whole(tmp_path: Path) -> None:
    say("set", "LONG", input="x" * 65_536)
    assert value(tmp_path, "LONG") == "x" * 65_536


def test_the_api_takes_values_and_gives_none_back(application: Flask, tmp_path: Path) -> None:
    client = application.test_client()
    put = client.put(f"{API}/shop/TOKEN", json={"value": VALUE, "as": "ana@example.com"})
    assert (put.status_code, put.get_json()["scope"], put.get_json()["set_by"]) == (200, "shop", "ana@example.com")
    assert value(tmp_path, "TOKEN") == VALUE
    listed = client.get(API)
    assert [one["name"] for one in listed.get_json()["items"]] == ["TOKEN"]
    assert VALUE not in put.text + listed.text
    assert client.put(f"{API}/nobody/TOKEN", json={"value": "x"}).status_code == 404
    assert client.put(f"{API}/all/NOT-A-NAME", json={"value": "x"}).get_json()["code"] == "bad_secret_name"
    assert client.put(f"{API}/all/A", json={"value": ""}).status_code == 400
    assert client.put(f"{API}/all/A", data="value=x").status_code == 415
    assert client.delete(f"{API}/shop/TOKEN", json={}).status_code == 200
    assert client.delete(f"{API}/shop/TOKEN", json={}).status_code == 404


def test_the_page_sets_and_removes_without_javascript(application: Flask, tmp_path: Path) -> None:
    client = application.test_client()
    token = re.search(r'name="form_token" value="([^"]+)"', client.get("/settings").text)
    assert token
    form = {"form_token": token[1], "name": "TOKEN", "project": "shop", "environment": "", "value": "a\r\nbcde"}
    said = client.post("/settings/secrets", data=form, follow_redirects=True).text
    assert "TOKEN is set for shop" in said and "bcde" not in said
    assert value(tmp_path, "TOKEN") == "a\nbcde"
    assert "is not the name" in client.post(
        "/settings/secrets", data=form | {"name": "<b>"}, follow_redirects=True
    ).text.replace("&#39;", "'")
    gone = {"form_token": token[1], "scope": "shop", "name": "TOKEN"}
    assert "TOKEN is gone" in client.post("/settings/secrets/remove", data=gone, follow_redirects=True).text


@pytest.mark.parametrize("path", ["/settings/secrets", "/settings/secrets/remove"])
def test_a1_a_form_of_another_site_changes_no_secret(application: Flask, path: str) -> None:
    client = application.test_client()
    assert client.post(path, data={"name": "A", "value": "x", "scope": "all"}).status_code == 400
    assert client.get(API).get_json()["items"] == []


def test_another_machine_is_asked_through_its_api(
    application: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving.served(application) as url:
        monkeypatch.setenv("SLIPWAY_URL", url)
        monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / "nowhere"))
        say("set", "TOKEN", "--project", "shop", input=VALUE)
        assert "TOKEN" in say("list").output
        assert value(tmp_path, "TOKEN") == VALUE
        say("rm", "TOKEN", "--project", "shop")
        assert "No secret is set" in say("list").output


def test_scopes_are_one_word_each() -> None:
    words = {Scope(): "all", Scope(project="a"): "a", Scope(environment="e"): "all:e"}
    assert {scope: scope.word for scope in words} == words
