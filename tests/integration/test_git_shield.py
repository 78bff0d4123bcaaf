"""What git is told, held word for word: of some of these protections nobody would notice that they are gone."""

import os
import shutil
from pathlib import Path

import pytest

from pipeline.credentials import Credentials
from runtime.git_shield import Reach, environment, options
from runtime.mirror import here
from runtime.source import GitSource
from tests.repositories import Repository

MAIN = "refs/heads/main"
SETTINGS = [
    *("protocol.allow=never", "http.followRedirects=false", "http.lowSpeedLimit=1000", "http.lowSpeedTime=60"),
    *("credential.helper=", "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.attributesFile=/dev/null"),
    *("safe.bareRepository=explicit", "submodule.recurse=false", "fetch.recurseSubmodules=false"),
    *("gc.auto=0", "maintenance.auto=false", "fetch.fsckObjects=true"),
    *(f"fetch.fsck.{name}=error" for name in ("hasDot", "hasDotdot", "hasDotgit", "fullPathname", "nullSha1")),
    *(f"fetch.fsck.{name}=ignore" for name in ("badTimezone", "missingSpaceBeforeDate", "missingEmail")),
    *(f"fetch.fsck.{name}=ignore" for name in ("missingNameBeforeEmail", "zeroPaddedFilemode", "zeroPaddedDate")),
]


def test_G9_every_protection_is_an_option_of_every_command() -> None:
    told = list(options(Path("/srv/shop.git"), Reach(protocol="https", settings=("http.curloptResolve=a:443:b",))))
    wanted = [*SETTINGS, "protocol.https.allow=always", "http.curloptResolve=a:443:b"]
    assert told == ["--git-dir=/srv/shop.git", *(word for setting in wanted for word in ("-c", setting))]


def test_G8_no_protocol_is_allowed_that_was_not_asked_for() -> None:
    assert [word for word in options(Path("/m"), Reach()) if "allow" in word] == ["protocol.allow=never"]


def test_G9_gits_environment_is_made_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        monkeypatch.delenv(name)
    hostile = {"GIT_DIR": "/x", "GIT_EXEC_PATH": "/x", "GIT_TRACE_CURL": "1", "GIT_CONFIG_COUNT": "9", "HOME": "/root"}
    for name, value in ({"PATH": "/bin", "SSL_CERT_FILE": "/ca.pem"} | hostile).items():
        monkeypatch.setenv(name, value)
    assert environment(Reach(ssh=("-oHostName=192.0.2.1",))) == {
        "PATH": "/bin",
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "SSL_CERT_FILE": "/ca.pem",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=15 -oHostName=192.0.2.1",
        "GIT_PROTOCOL_FROM_USER": "0",
    }


def test_G11_a_secret_is_for_its_host_alone_and_no_option() -> None:
    known = Credentials(site="https://git.test/", header="Authorization: Bearer t0ken", secrets=("t0ken",))
    reach = Reach(protocol="https", credentials=known)
    given = {name: value for name, value in environment(reach).items() if name.startswith("GIT_CONFIG_")}
    assert given == {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.https://git.test/.extraHeader",
        "GIT_CONFIG_VALUE_0": "Authorization: Bearer t0ken",
    }
    assert "t0ken" not in " ".join(options(Path("/m"), reach))


def test_G2_no_address_and_no_ref_can_be_an_option_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = Repository.make(tmp_path / "shop.git")
    revision = remote.commit({"Dockerfile": b"FROM scratch\n"})
    said = _overheard(tmp_path, monkeypatch)
    source = GitSource(tmp_path / "home", local_paths=True)
    source.tips("shop", remote.url)
    source.fetch("shop", remote.url, MAIN, revision)
    told = [line.partition("protocol.file.allow=always\t")[2].split("\t") for line in said.read_text().splitlines()]
    spoken = [words for words in told if remote.url in words]
    assert [words[0] for words in spoken] == ["ls-remote", "ls-remote", "fetch"]
    assert all(words[words.index(remote.url) - 1] == "--end-of-options" for words in spoken)
    assert spoken[-1] == [
        *("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"),
        *("--no-auto-maintenance", "--no-show-forced-updates"),
        *("--end-of-options", remote.url, f"+{MAIN}:{here(MAIN)}"),
    ]


def _overheard(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put before the real git one that writes down what it is told; return where."""
    said, real = folder / "said", shutil.which("git")
    shim = folder / "bin" / "git"
    shim.parent.mkdir()
    shim.write_text(f"""#!/bin/sh\n(IFS='\t'; printf '%s\\n' "$*") >> {said}\nexec {real} "$@"\n""")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")
    return said
