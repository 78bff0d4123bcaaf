import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from contextlib import AbstractContextManager
from datetime import UTC
from pathlib import Path
from typing import BinaryIO

import pytest

from pipeline.errors import StageFailed, Unavailable
from pipeline.ports import Tip
from runtime import git_host
from runtime.git import opened, run
from runtime.git_shield import Reach
from runtime.source import GitSource
from tests.parts import need
from tests.repositories import Repository

MAIN = "refs/heads/main"
FILES = {"Dockerfile": b"FROM scratch\n", "api/main.py": b"print(1)\n", "api/deep/er": b"x"}
ROOT = Path(__file__).resolve().parents[2]

HOSTILE = [
    "$(touch${IFS}pwned)",
    "`touch${IFS}pwned`",
    "a;b",
    "a|b",
    "a&b",
    'a"b',
    "a'b",
    "${IFS}",
    "<script>",
    "<!channel>",
    "-upload-pack=touch",
    "--upload-pack=touch",
    "größe/straße",
    "\N{RIGHT-TO-LEFT OVERRIDE}gpj",
    "@",
    "HEAD",
    "x" * 200,
    "a/b/c/d/e",
    "refs/heads/main",
    "%2e%2e%2f",
    "$HOME",
    "{a,b}",
    "#1",
    "!important",
    "(x)",
    "a=b",
    "a,b",
]


@pytest.fixture(autouse=True)
def _parts() -> None:
    need("git")


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    return Repository.make(tmp_path / "remote.git")


@pytest.fixture
def source(tmp_path: Path) -> GitSource:
    return GitSource(tmp_path / "home", local_paths=True, private_addresses=True)


def mirror(tmp_path: Path, project: str = "shop") -> Path:
    return tmp_path / "home" / f"{project}.git"


def names(stream: BinaryIO) -> dict[str, bytes]:
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        return {one.name: content.read() for one in tar if (content := tar.extractfile(one)) is not None}


def failure(
    code: str, *, kind: type[StageFailed | Unavailable] = StageFailed
) -> AbstractContextManager[pytest.ExceptionInfo[StageFailed | Unavailable]]:
    return pytest.raises(kind, check=lambda error: error.code == code)


def test_a_commit_is_fetched_read_and_packed(remote: Repository, source: GitSource) -> None:
    revision = remote.commit(FILES, message="Let the basket survive\n\nBody\n")
    source.fetch("shop", remote.url, MAIN, revision)
    commit = source.commit("shop", revision)
    assert (commit.revision, commit.message) == (revision, "Let the basket survive\n\nBody")
    assert (commit.author, commit.email) == ("Ana &", "ana@example.test")
    assert commit.committed_at.tzinfo is not None
    assert abs(commit.committed_at.timestamp() - time.time()) < 60
    assert source.read("shop", revision, "api/main.py") == b"print(1)\n"
    assert source.files("shop", revision, ["nothing", "Dockerfile", "api"]) == {"Dockerfile": FILES["Dockerfile"]}
    with source.archive("shop", revision, ".") as stream:
        assert names(stream) == FILES


def test_a_project_by_file_address_works_too(remote: Repository, source: GitSource) -> None:
    revision = remote.commit(FILES)
    source.fetch("shop", f"file://{remote.url}", MAIN, revision)
    assert source.commit("shop", revision).revision == revision


def test_a_new_commit_follows_and_the_old_one_stays(remote: Repository, source: GitSource) -> None:
    first = remote.commit(FILES)
    source.fetch("shop", remote.url, MAIN, first)
    second = remote.commit(FILES | {"new": b"1"}, parent=first)
    source.fetch("shop", remote.url, MAIN, second)
    source.fetch("shop", remote.url, MAIN, first)
    assert source.read("shop", second, "new") == b"1"
    assert source.read("shop", first, "new") is None


def test_an_archive_of_a_directory_is_its_content_with_the_commits_time(remote: Repository, source: GitSource) -> None:
    revision = remote.commit(FILES)
    source.fetch("shop", remote.url, MAIN, revision)
    packed = []
    for _ in range(2):
        with source.archive("shop", revision, "./api/") as stream:
            packed.append(stream.read())
        time.sleep(1.1)
    assert packed[0] == packed[1]
    with source.archive("shop", revision, "api") as stream:
        assert names(stream) == {"main.py": b"print(1)\n", "deep/er": b"x"}


@pytest.mark.parametrize("path", ["nothing", "Dockerfile", "api/main.py/x"])
def test_an_archive_of_what_is_no_directory_says_so(remote: Repository, source: GitSource, path: str) -> None:
    revision = remote.commit(FILES)
    source.fetch("shop", remote.url, MAIN, revision)
    with failure("no_context"), source.archive("shop", revision, path):
        pass


def test_an_archive_is_of_the_tree_whatever_its_attributes_say(remote: Repository, source: GitSource) -> None:
    files = FILES | {
        ".gitattributes": b"api export-ignore\nDockerfile export-subst ident\n",
        "Dockerfile": b"$Format:%H$ $Id$\n",
    }
    revision = remote.commit(files)
    source.fetch("shop", remote.url, MAIN, revision)
    with source.archive("shop", revision, ".") as stream:
        assert names(stream) == files


def test_an_archive_that_nobody_reads_to_the_end_leaves_no_process(remote: Repository, source: GitSource) -> None:
    revision = remote.commit({"big": os.urandom(8 * 1024**2)})
    source.fetch("shop", remote.url, MAIN, revision)
    began = time.monotonic()
    with source.archive("shop", revision, ".") as stream:
        assert stream.read(10)
    assert time.monotonic() - began < 3
    assert children() == []


def test_an_archive_that_breaks_off_raises_in_the_readers_hands(
    remote: Repository, source: GitSource, tmp_path: Path
) -> None:
    revision = remote.commit({f"f{number}": os.urandom(100_000) for number in range(20)})
    source.fetch("shop", remote.url, MAIN, revision)
    spoil(mirror(tmp_path))
    with failure("archive_failed", kind=Unavailable), source.archive("shop", revision, ".") as stream:
        while stream.read(65536):
            pass


@pytest.mark.parametrize("kind", ["lightweight", "annotated"])
def test_a_tag_means_its_commit(remote: Repository, source: GitSource, kind: str) -> None:
    revision = remote.commit(FILES)
    options = ("-a", "-m", "One") if kind == "annotated" else ()
    remote.git("tag", *options, "v1", revision)
    pushed = remote.git("rev-parse", "refs/tags/v1")
    source.fetch("shop", remote.url, "refs/tags/v1", pushed)
    source.fetch("shop", remote.url, "refs/tags/v1", revision)
    assert source.commit("shop", pushed).revision == revision
    assert source.read("shop", pushed, "Dockerfile") == FILES["Dockerfile"]
    with source.archive("shop", pushed, ".") as stream:
        assert names(stream) == FILES


def test_a_tag_of_something_else_than_a_commit_is_refused(remote: Repository, source: GitSource) -> None:
    remote.commit(FILES)
    remote.git("tag", "-a", "-m", "x", "odd", remote.blob(b"only a file"))
    pushed = remote.git("rev-parse", "refs/tags/odd")
    source.fetch("shop", remote.url, "refs/tags/odd", pushed)
    with failure("no_commit"):
        source.commit("shop", pushed)


def test_a_repository_of_sha256_names_works(tmp_path: Path, source: GitSource) -> None:
    remote = Repository.make(tmp_path / "other.git", "--object-format=sha256")
    revision = remote.commit(FILES)
    assert len(revision) == 64
    source.fetch("shop", remote.url, MAIN, revision)
    assert source.read("shop", revision, "api/deep/er") == b"x"
    later = remote.commit(FILES | {"new": b"1"}, parent=revision)
    assert source.tips("shop", remote.url) == {MAIN: Tip(revision=later, commit=later)}
    assert source.tip("shop", remote.url, MAIN) == later
    assert source.descends("shop", later, revision)
    assert source.changed("shop", revision, later) == ["new"]


def test_what_git_says_of_a_commit_survives_odd_bytes(remote: Repository, source: GitSource) -> None:
    tree = remote.tree(FILES)
    raw = (
        f"tree {tree}\nauthor \xe4\0x <a@b> 1700000000 +0200\ncommitter  <> 99999999999999 -9999\n"
        "encoding no-such-thing\n\nBad \xff bytes\x1b[31m\r\nnext"
    ).encode("latin-1")
    raw = raw.replace(b"\0", b"")
    revision = remote.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=raw)
    mirror_of = Repository.make(source._directory / "shop.git")  # fsck keeps such a commit from ever being fetched
    mirror_of.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=raw)
    commit = source.commit("shop", revision)
    assert commit.message == "Bad � bytes�[31m\nnext"
    assert (commit.author, commit.email) == ("�x", "a@b")
    assert commit.committed_at.astimezone(UTC).year > 9000


def test_f32_a_ref_that_is_gone_is_told_as_gone(remote: Repository, source: GitSource) -> None:
    revision = remote.commit(FILES)
    remote.commit(FILES, ref="refs/heads/x")
    with pytest.raises(StageFailed, match="y is no longer there", check=lambda error: error.code == "ref_gone"):
        source.fetch("shop", remote.url, "refs/heads/y", revision)
    source.fetch("shop", remote.url, MAIN, revision)
    remote.git("update-ref", "-d", MAIN)
    with failure("ref_gone"):
        source.fetch("shop", remote.url, MAIN, revision)
    remote.point("refs/tags/nested/refs/heads/main", revision)
    with failure("ref_gone"):
        source.fetch("shop", remote.url, MAIN, revision)


def test_f32_a_force_push_before_the_fetch_is_told_as_gone(remote: Repository, source: GitSource) -> None:
    lost = remote.commit(FILES | {"a": b"1"})
    kept = remote.commit(FILES)
    with pytest.raises(
        StageFailed, match=f"main no longer holds {lost[:7]}", check=lambda error: error.code == "ref_gone"
    ):
        source.fetch("shop", remote.url, MAIN, lost)
    source.fetch("shop", remote.url, MAIN, kept)


def test_f32_a_force_push_after_the_fetch_is_told_as_gone(remote: Repository, source: GitSource) -> None:
    lost = remote.commit(FILES | {"a": b"1"})
    source.fetch("shop", remote.url, MAIN, lost)
    remote.commit(FILES)
    with failure("ref_gone"):
        source.fetch("shop", remote.url, MAIN, lost)


def test_G16_a_commit_of_another_branch_is_not_taken_for_this_one(remote: Repository, source: GitSource) -> None:
    good = remote.commit(FILES)
    imposter = remote.commit(FILES | {"evil": b"1"}, ref="refs/heads/evil", parent=good)
    source.fetch("shop", remote.url, "refs/heads/evil", imposter)
    with failure("ref_gone"):
        source.fetch("shop", remote.url, MAIN, imposter)


def test_G15_only_a_whole_object_name_reaches_git(remote: Repository, source: GitSource) -> None:
    good = remote.commit(FILES)
    evil = remote.commit(FILES | {"evil": b"1"}, ref=f"refs/heads/{good[:10]}", parent=good)
    remote.git("update-ref", f"refs/heads/{good}", evil)
    for ref, revision in ((MAIN, good), (f"refs/heads/{good[:10]}", evil), (f"refs/heads/{good}", evil)):
        source.fetch("shop", remote.url, ref, revision)
    assert source.read("shop", good, "evil") is None
    assert source.commit("shop", good).revision == good
    for short in (good[:10], "main", "HEAD", f"{good}^", f"{good} ", "--help", "", good.upper()):
        with failure("bad_revision"):
            source.commit("shop", short)
        with failure("bad_revision"):
            source.fetch("shop", remote.url, MAIN, short)


@pytest.mark.parametrize("branch", HOSTILE)
def test_G6_any_branch_name_git_allows_is_only_a_name(
    remote: Repository, source: GitSource, tmp_path: Path, branch: str
) -> None:
    revision = remote.commit(FILES, ref=f"refs/heads/{branch}")
    source.fetch("shop", remote.url, f"refs/heads/{branch}", revision)
    assert source.commit("shop", revision).revision == revision
    assert not list(tmp_path.rglob("pwned"))
    assert not Path("/pwned").exists()
    held = run(["for-each-ref", "--format=%(refname)"], git_dir=mirror(tmp_path), seconds=10).out.decode().split()
    assert len(held) == 1
    assert held[0].startswith("refs/slipway/")


@pytest.mark.parametrize(
    "ref",
    [
        *(
            "refs/heads/../../x",
            "refs/heads/a..b",
            "refs/heads/a b",
            "refs/heads/a\nb",
            "refs/heads/*",
            "refs/heads/a:b",
        ),
        *("refs/heads/a^", "refs/heads/a~1", "refs/heads/a\\b", "refs/heads/a@{1}", "refs/heads/", "refs/heads/.a"),
        *("refs/heads/a/", "refs/heads/a.lock", "refs/heads/a.lock/b", "refs/heads/a.", "refs/heads/a//b", ""),
        *(
            "refs/heads/" + "x" * 502,
            "refs/pull/x/head",
            "refs/pull/1/merge",
            "HEAD",
            "main",
            "--upload-pack=touch x",
            "+refs/heads/a",
        ),
    ],
)
def test_G2_G22_what_git_does_not_allow_as_a_name_never_reaches_it(
    remote: Repository, source: GitSource, ref: str
) -> None:
    revision = remote.commit(FILES)
    with failure("bad_ref"):
        source.fetch("shop", remote.url, ref, revision)


def test_G22_names_that_clash_on_a_disk_do_not_clash_here(remote: Repository, source: GitSource) -> None:
    held = {}
    for number, branch in enumerate(["a", "A", "b/c", "B/C", "main", "MAIN"]):
        held[branch] = remote.commit({"n": str(number).encode()}, ref=f"refs/heads/{branch}")
        source.fetch("shop", remote.url, f"refs/heads/{branch}", held[branch])
    remote.git("update-ref", "-d", "refs/heads/a")
    inner = remote.commit({"n": b"inner"}, ref="refs/heads/a/b")
    source.fetch("shop", remote.url, "refs/heads/a/b", inner)
    remote.git("update-ref", "-d", "refs/heads/b/c")
    outer = remote.commit({"n": b"outer"}, ref="refs/heads/b")
    source.fetch("shop", remote.url, "refs/heads/b", outer)
    assert source.read("shop", held["A"], "n") == b"1"
    assert source.read("shop", outer, "n") == b"outer"


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% pwned",
        "--upload-pack=touch pwned",
        "file:///tmp/x/../y",
        "git://127.0.0.1/x",
        "https://u:p@h/x",
    ],
)
def test_G1_G2_an_address_that_got_past_the_door_is_refused_again(source: GitSource, tmp_path: Path, url: str) -> None:
    with failure("bad_url"):
        source.fetch("shop", url, MAIN, "1" * 40)
    assert not mirror(tmp_path).exists()


def test_G8_a_directory_is_closed_to_every_fetch_that_was_not_told_of_it(remote: Repository, tmp_path: Path) -> None:
    remote.commit(FILES)
    own = Repository.make(tmp_path / "own.git").path
    refused = GitSource(tmp_path / "home", local_paths=False, private_addresses=True)
    with failure("bad_url"):
        refused.fetch("shop", remote.url, MAIN, "1" * 40)
    for url in (
        remote.url,
        f"file://{remote.url}",
        "ext::sh -c touch% pwned",
        "http://127.0.0.1:1/x",
        "git://127.0.0.1:1/x",
    ):
        done = run(["fetch", "--end-of-options", url, MAIN], git_dir=own, seconds=10)
        assert done.code
        assert "not allowed" in done.error
    trusted = tmp_path / "trust"
    trusted.touch()
    done = run(
        ["fetch", "--end-of-options", "ext::sh -c touch% pwned", MAIN],
        git_dir=own,
        seconds=10,
        reach=Reach(protocol="file", trusted=trusted),
    )
    assert "not allowed" in done.error


def test_a_repository_of_another_user_can_be_fetched_from(remote: Repository, source: GitSource) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory to another user")
    revision = remote.commit(FILES)
    for path in [remote.path, *remote.path.rglob("*")]:
        os.chown(path, 65534, 65534)
    source.fetch("shop", remote.url, MAIN, revision)
    assert source.commit("shop", revision).revision == revision


def test_G9_a_repository_inside_the_tree_is_only_files(remote: Repository, source: GitSource, tmp_path: Path) -> None:
    config = f"[core]\n\tbare = true\n\tfsmonitor = touch {tmp_path}/pwned\n\thooksPath = hooks\n".encode()
    files = {
        "inner/HEAD": b"ref: refs/heads/main\n",
        "inner/config": config,
        "inner/objects/x": b"",
        "inner/refs/x": b"",
    }
    revision = remote.commit(files)
    source.fetch("shop", remote.url, MAIN, revision)
    assert source.read("shop", revision, "inner/config") == config
    with source.archive("shop", revision, "inner") as stream:
        assert "config" in names(stream)
    assert not (tmp_path / "pwned").exists()


def test_G7_a_submodule_is_not_followed(remote: Repository, source: GitSource) -> None:
    modules = b'[submodule "x"]\n\tpath = x\n\turl = ../other.git\n'
    revision = remote.commit({".gitmodules": modules, "x": b"1" * 40}, kinds={"x": "module"})
    source.fetch("shop", remote.url, MAIN, revision)
    assert source.read("shop", revision, "x") is None
    with source.archive("shop", revision, ".") as stream:
        assert names(stream) == {".gitmodules": modules}


HOOK = "#!/bin/sh\ntouch {0}/pwned\n"
# Each is the tree of a repository that made `git clone --recursive` run its hook, in versions of git of its time.
KNOWN = {
    "CVE-2018-11235": (
        {
            ".gitmodules": b'[submodule "../../evil"]\n\tpath = x\n\turl = {1}\n',
            "evil/hooks/post-checkout": HOOK.encode(),
        },
        {"x": "module", "evil/hooks/post-checkout": "program"},
    ),
    "CVE-2024-32002": (
        {
            ".gitmodules": b'[submodule "x/y"]\n\tpath = A/modules/x\n\turl = {1}\n',
            "a": b".git",
            "y/hooks/post-checkout": HOOK.encode(),
        },
        {"a": "link", "A/modules/x": "module", "y/hooks/post-checkout": "program"},
    ),
    "CVE-2025-48384": (
        {
            ".gitmodules": b'[submodule "sub"]\n\tpath = "sub\r"\n\turl = {1}\n',
            "sub\r": b".git/modules/sub/hooks",
            "post-checkout": HOOK.encode(),
        },
        {"sub\r": "link", "sub": "module", "post-checkout": "program"},
    ),
}


@pytest.mark.parametrize("known", KNOWN)
def test_G7_the_known_repositories_make_no_file(
    remote: Repository, source: GitSource, tmp_path: Path, known: str
) -> None:
    files, kinds = KNOWN[known]
    inner = remote.commit({"hooks/post-checkout": HOOK.format(tmp_path).encode()}, ref="refs/heads/inner")
    tree = {
        path: content.replace(b"{0}", str(tmp_path).encode()).replace(b"{1}", remote.url.encode())
        for path, content in files.items()
    }
    tree |= {path: inner.encode() for path, kind in kinds.items() if kind == "module"}
    revision = remote.commit(tree, kinds=kinds)
    refused = False
    try:
        source.fetch("shop", remote.url, MAIN, revision)
    except Unavailable as fault:
        assert fault.code == "source_unavailable"
        refused = True
    if not refused:
        source.files("shop", revision, ["post-checkout", "Dockerfile"])
        with source.archive("shop", revision, ".") as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            assert all(not one.name.startswith((".git/", "/", "..")) for one in tar)
    assert refused == (known == "CVE-2018-11235")
    assert not (tmp_path / "pwned").exists()
    assert not list((tmp_path / "home").rglob("modules"))
    assert not list((tmp_path / "home").rglob("post-checkout"))


@pytest.mark.parametrize("name", ["..", ".git", "."])
def test_a_tree_that_leads_out_of_itself_is_never_let_in(remote: Repository, source: GitSource, name: str) -> None:
    inner = bytes.fromhex(remote.tree({"passwd": b"x"}))
    tree = remote.git(
        "hash-object", "-t", "tree", "-w", "--stdin", "--literally", stdin=f"40000 {name}\0".encode() + inner
    )
    revision = remote.git("commit-tree", tree, "-m", "x")
    remote.point(MAIN, revision)
    with failure("source_unavailable", kind=Unavailable):
        source.fetch("shop", remote.url, MAIN, revision)


@pytest.mark.parametrize("path", ["link", "dir/link", "linked/file", "gone"])
def test_G12_a_link_is_never_followed(remote: Repository, source: GitSource, path: str) -> None:
    files = {"link": b"/etc/passwd", "dir/link": b"../link", "linked": b"dir", "dir/file": b"x", "gone": b"nowhere"}
    kinds = dict.fromkeys(["link", "dir/link", "linked", "gone"], "link")
    revision = remote.commit(files, kinds=kinds)
    source.fetch("shop", remote.url, MAIN, revision)
    with failure("symlink"):
        source.read("shop", revision, path)
    assert source.read("shop", revision, "dir/file") == b"x"


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a\0b"])
def test_G13_a_path_stays_inside_the_repository(source: GitSource, path: str) -> None:
    with failure("bad_path"):
        source.read("shop", "1" * 40, path)
    with failure("bad_path"), source.archive("shop", "1" * 40, path):
        pass


def test_a_file_with_an_odd_name_is_found(remote: Repository, source: GitSource) -> None:
    revision = remote.commit(
        {"a\nb": b"1", "-x": b"2", ":(top)x": b"3", "ä": b"4", "run": b"5"}, kinds={"run": "program"}
    )
    source.fetch("shop", remote.url, MAIN, revision)
    found = source.files("shop", revision, ["a\nb", "-x", ":(top)x", "ä", "run"])
    assert list(found.values()) == [b"1", b"2", b"3", b"4", b"5"]


def test_G14_a_huge_file_is_not_read(remote: Repository, source: GitSource) -> None:
    revision = remote.commit({"big": b"x" * (1024**2 + 1), "full": b"x" * 1024**2})
    source.fetch("shop", remote.url, MAIN, revision)
    assert len(source.read("shop", revision, "full") or b"") == 1024**2
    with failure("too_large"):
        source.read("shop", revision, "big")


def test_G14_a_repository_without_end_is_cut_off_and_leaves_nothing(remote: Repository, tmp_path: Path) -> None:
    small = remote.commit(FILES)
    source = GitSource(tmp_path / "home", local_paths=True, largest=1024**2)
    source.fetch("shop", remote.url, MAIN, small)
    remote.commit({"big": os.urandom(3 * 1024**2)}, parent=small)
    many = {f"d/{number}": os.urandom(20_000) for number in range(150)}
    remote.commit(many, ref="refs/heads/many", parent=small)
    for project in ("shop", "fresh"):
        for ref in (MAIN, "refs/heads/many"):
            with failure("too_large"):
                source.tip(project, remote.url, ref)
    assert sorted(path.name for path in (tmp_path / "home").iterdir() if path.is_dir()) == ["shop.git"]
    assert not list((tmp_path / "home").rglob("tmp_*"))
    remote.point(MAIN, small)
    source.fetch("shop", remote.url, MAIN, small)
    assert source.commit("shop", small).revision == small


def test_G14_refs_without_end_are_cut_off(
    remote: Repository, source: GitSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = remote.commit(FILES)
    for number in range(20):
        remote.point(f"refs/heads/{'x' * 100}{number}", revision)
    monkeypatch.setattr(git_host, "LISTING_BYTES", 1000)
    with failure("git_flood", kind=Unavailable):
        source.tips("shop", remote.url)


def test_G14_a_pointer_to_a_large_file_stays_a_pointer(
    remote: Repository, source: GitSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "git-lfs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/pwned\nyes\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 99999999999\n"
    files = {".gitattributes": b"*.bin filter=lfs diff=lfs merge=lfs -text\n", "a.bin": pointer}
    revision = remote.commit(files)
    source.fetch("shop", remote.url, MAIN, revision)
    config = mirror(tmp_path) / "config"
    config.write_text(config.read_text() + '[filter "lfs"]\n\tsmudge = git-lfs smudge -- %f\n\trequired = true\n')
    with source.archive("shop", revision, ".") as stream:
        assert names(stream) == files
    assert not (tmp_path / "pwned").exists()


def test_G21_control_characters_of_the_other_side_are_made_visible(tmp_path: Path) -> None:
    own = Repository.make(tmp_path / "own.git").path
    trusted = tmp_path / "trust"
    trusted.touch()
    done = run(
        ["fetch", "--end-of-options", "/nowhere\x1b[31m\x07"],
        git_dir=own,
        seconds=10,
        reach=Reach(protocol="file", trusted=trusted),
    )
    assert done.code
    assert "\x1b" not in done.error
    assert done.error.isprintable()


def test_G23_two_projects_do_not_see_each_others_objects(tmp_path: Path, source: GitSource) -> None:
    one, two = Repository.make(tmp_path / "one.git"), Repository.make(tmp_path / "two.git")
    first, second = one.commit({"secret": b"1"}), two.commit({"other": b"2"})
    source.fetch("one", one.url, MAIN, first)
    source.fetch("two", two.url, MAIN, second)
    with failure("no_commit"):
        source.read("two", first, "secret")
    with failure("ref_gone"):
        source.fetch("two", two.url, MAIN, first)


def test_a_host_that_does_not_answer_is_unavailable_and_leaves_nothing(source: GitSource, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(
        Unavailable, match=r"127\.0\.0\.1 does not give main: ", check=lambda error: error.code == "source_unavailable"
    ):
        source.fetch("shop", f"https://127.0.0.1:{port}/shop.git", MAIN, "1" * 40)
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["shop.lock"]


def test_a_directory_that_is_no_repository_is_unavailable(source: GitSource, tmp_path: Path) -> None:
    with failure("source_unavailable", kind=Unavailable):
        source.fetch("shop", str(tmp_path), MAIN, "1" * 40)


def test_a_mirror_survives_its_host_being_away(remote: Repository, source: GitSource) -> None:
    revision = remote.commit(FILES)
    source.fetch("shop", remote.url, MAIN, revision)
    remote.path.rename(remote.path.with_suffix(".away"))
    with failure("source_unavailable", kind=Unavailable):
        source.fetch("shop", remote.url, MAIN, revision)
    assert source.commit("shop", revision).revision == revision


def test_the_tip_is_what_the_ref_is_now(remote: Repository, source: GitSource) -> None:
    first = remote.commit(FILES)
    assert source.tip("shop", remote.url, MAIN) == first
    second = remote.commit(FILES | {"new": b"1"}, parent=first)
    other = remote.commit(FILES | {"other": b"1"}, ref="refs/heads/other", parent=first)
    remote.git("tag", "-a", "-m", "One", "v1", first)
    assert source.tip("shop", remote.url, MAIN) == second
    assert source.tip("shop", remote.url, "refs/heads/other") == other
    assert source.tip("shop", remote.url, "refs/tags/v1") == remote.git("rev-parse", "refs/tags/v1")
    assert [source.holds("shop", MAIN, revision) for revision in (first, second, other, "1" * 40)] == [
        True,
        True,
        False,
        False,
    ]
    assert source.holds("shop", "refs/tags/v1", first)
    remote.git("update-ref", "-d", MAIN)
    with failure("ref_gone"):
        source.tip("shop", remote.url, MAIN)


def test_the_tips_are_every_branch_and_tag_and_nothing_else(remote: Repository, source: GitSource) -> None:
    first = remote.commit(FILES)
    remote.git("tag", "-a", "-m", "One", "v1", first)
    for ref in ("refs/tags/light", "refs/heads/größe/a;b", "refs/pull/1/head", "refs/notes/x", "refs/heads/Main"):
        remote.point(ref, first)
    tag = remote.git("rev-parse", "refs/tags/v1")
    plain = Tip(revision=first, commit=first)
    assert source.tips("shop", remote.url) == {
        MAIN: plain,
        "refs/heads/Main": plain,
        "refs/heads/größe/a;b": plain,
        "refs/tags/light": plain,
        "refs/tags/v1": Tip(revision=tag, commit=first),
    }


def test_the_tips_of_an_empty_repository_are_none(remote: Repository, source: GitSource) -> None:
    assert source.tips("shop", remote.url) == {}


def test_the_tips_of_a_host_that_is_away_are_unavailable(source: GitSource, tmp_path: Path) -> None:
    with failure("source_unavailable", kind=Unavailable):
        source.tips("shop", str(tmp_path / "nowhere"))
    with failure("bad_url"):
        source.tips("shop", "--upload-pack=touch pwned")


@pytest.mark.parametrize("branch", ["main", "größe/x"])
def test_the_default_branch_is_what_head_is(remote: Repository, source: GitSource, branch: str) -> None:
    assert source.default_branch(remote.url) is None
    remote.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")
    revision = remote.commit(FILES, ref=f"refs/heads/{branch}")
    assert source.default_branch(remote.url) == branch
    remote.git("update-ref", "--no-deref", "HEAD", revision)
    assert source.default_branch(remote.url) is None


def test_what_comes_after_what_is_a_matter_of_ancestry(remote: Repository, source: GitSource) -> None:
    first = remote.commit(FILES)
    second = remote.commit(FILES, parent=first, message="x")
    other = remote.commit(FILES | {"other": b"1"}, ref="refs/heads/other")
    for ref in (MAIN, "refs/heads/other"):
        source.tip("shop", remote.url, ref)
    tree = remote.git("rev-parse", f"{first}^{{tree}}")
    known = {"first": first, "second": second, "other": other, "nowhere": "1" * 40, "tree": tree}
    after = {(one, two) for one in known for two in known if source.descends("shop", known[one], known[two])}
    assert after == {("first", "first"), ("second", "second"), ("other", "other"), ("second", "first")}
    with failure("bad_revision"):
        source.descends("shop", "main", first)
    with failure("no_mirror", kind=Unavailable):
        source.descends("none", first, second)


def test_what_changed_between_two_commits_is_told_by_path(remote: Repository, source: GitSource) -> None:
    odd = {"a\nb": b"1", 'größe/"q': b"2", "-x": b"3"}
    first = remote.commit(FILES | {"old/name": b"the same\n" * 50, "gone": b"1"})
    second = remote.commit(
        {**FILES, "api/main.py": b"print(2)\n", "new/name": b"the same\n" * 50, **odd, "link": b"gone"},
        parent=first,
        kinds={"link": "link"},
    )
    source.tip("shop", remote.url, MAIN)
    paths = {"api/main.py", "old/name", "new/name", "gone", "link", *odd}
    assert set(source.changed("shop", first, second) or ()) == paths
    assert set(source.changed("shop", second, first) or ()) == paths
    assert source.changed("shop", first, first) == []


def test_an_unknown_difference_is_none(remote: Repository, source: GitSource) -> None:
    first = remote.commit(FILES)
    second = remote.commit({f"d/{number}": b"x" for number in range(3)}, parent=first)
    many = remote.tree({"x": b"1"})
    blob = remote.blob(b"1")
    listing = "".join(f"100644 blob {blob}\tf{number}\0" for number in range(10_001)).encode()
    huge = remote.git("commit-tree", remote.git("mktree", "-z", stdin=listing), "-p", second, "-m", "x")
    remote.point(MAIN, huge)
    source.tip("shop", remote.url, MAIN)
    assert source.changed("shop", first, second) is not None
    for after in ("1" * 40, many, huge, blob):
        assert source.changed("shop", first, after) is None
        assert source.changed("shop", after, first) is None


def test_a_difference_runs_no_program_of_the_tree(remote: Repository, source: GitSource, tmp_path: Path) -> None:
    attributes = b"* diff=evil filter=evil\n"
    first = remote.commit({".gitattributes": attributes, "a": b"1"})
    second = remote.commit({".gitattributes": attributes, "a": b"2"}, parent=first)
    source.tip("shop", remote.url, MAIN)
    config = mirror(tmp_path) / "config"
    evil = "\ttextconv = touch {0}/pwned; cat\n\tcommand = touch {0}/pwned\n"
    config.write_text(config.read_text() + f'[diff "evil"]\n{evil.format(tmp_path)}')
    assert source.changed("shop", first, second) == ["a"]
    assert not (tmp_path / "pwned").exists()


def test_what_was_never_fetched_has_no_mirror(source: GitSource) -> None:
    with failure("no_mirror", kind=Unavailable):
        source.commit("shop", "1" * 40)


def test_f33_a_host_that_hangs_is_given_up_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        source = GitSource(tmp_path / "home", local_paths=False, private_addresses=True, seconds=0.5)
        began = time.monotonic()
        with failure("git_timeout", kind=Unavailable):
            source.fetch("shop", f"https://127.0.0.1:{mute.getsockname()[1]}/x", MAIN, "1" * 40)
        assert time.monotonic() - began < 5
    assert children() == []
    assert not mirror(tmp_path).exists()


def test_a_look_at_all_refs_has_a_limit_of_its_own(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        source = GitSource(tmp_path / "home", local_paths=False, private_addresses=True, glance=0.3)
        with failure("git_timeout", kind=Unavailable):
            source.tips("shop", f"https://127.0.0.1:{mute.getsockname()[1]}/x")
    assert children() == []


def test_processes_that_fetch_the_same_project_at_once_do_not_disturb_each_other(
    remote: Repository, tmp_path: Path
) -> None:
    revisions = {
        f"refs/heads/b{number}": remote.commit({"n": b"%d" % number}, ref=f"refs/heads/b{number}")
        for number in range(6)
    }
    workers = [fetching(tmp_path, remote.url, revision, ref) for ref, revision in revisions.items()]
    assert [worker.wait(60) for worker in workers] == [0] * 6
    source = GitSource(tmp_path / "home", local_paths=True)
    assert [source.commit("shop", revision).revision for revision in revisions.values()] == list(revisions.values())


def test_threads_may_look_while_another_fetches(remote: Repository, source: GitSource) -> None:
    revision = remote.commit(FILES)
    source.fetch("shop", remote.url, MAIN, revision)
    faults: list[Exception] = []

    def look() -> None:
        try:
            for _ in range(10):
                assert source.read("shop", revision, "Dockerfile")
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    parent = revision
    for number in range(5):
        parent = remote.commit(FILES | {"n": b"%d" % number}, parent=parent)
        source.fetch("shop", remote.url, MAIN, parent)
    for thread in threads:
        thread.join()
    assert faults == []


@pytest.mark.parametrize("harm", ["no head", "no objects", "empty objects", "no config"])
def test_f34_a_damaged_mirror_is_made_anew_by_the_next_fetch(
    remote: Repository, source: GitSource, tmp_path: Path, harm: str
) -> None:
    first = remote.commit(FILES)
    source.fetch("shop", remote.url, MAIN, first)
    path = mirror(tmp_path)
    match harm:
        case "no head":
            (path / "HEAD").unlink()
        case "no config":
            (path / "config").write_text("[core\n")
        case "no objects":
            shutil.rmtree(path / "objects")
            (path / "objects").mkdir()
        case "empty objects":
            empty_objects(path)
    second = remote.commit(FILES | {"new": b"1"}, parent=first)
    source.fetch("shop", remote.url, MAIN, second)
    assert source.read("shop", second, "new") == b"1"
    assert source.read("shop", first, "Dockerfile") == FILES["Dockerfile"]
    for revision in (first, second):
        with source.archive("shop", revision, ".") as stream:
            assert "api/deep/er" in names(stream)


def test_f34_damage_found_while_reading_is_mended_by_the_next_fetch(
    remote: Repository, source: GitSource, tmp_path: Path
) -> None:
    revision = remote.commit(FILES)
    source.fetch("shop", remote.url, MAIN, revision)
    empty_objects(mirror(tmp_path))
    with pytest.raises(Unavailable):
        source.commit("shop", revision)
    source.fetch("shop", remote.url, MAIN, revision)
    assert source.commit("shop", revision).revision == revision


def test_f34_a_sound_mirror_is_never_dropped_because_a_question_was_odd(
    remote: Repository, source: GitSource, tmp_path: Path
) -> None:
    revision = remote.commit(FILES)
    source.fetch("shop", remote.url, MAIN, revision)
    before = mirror(tmp_path).stat().st_ino
    for odd in ("1" * 40, remote.git("rev-parse", f"{revision}:Dockerfile")):
        with failure("no_commit"):
            source.commit("shop", odd)
        with failure("ref_gone"):
            source.fetch("shop", remote.url, MAIN, odd)
    assert mirror(tmp_path).stat().st_ino == before


def test_git_gets_an_environment_of_its_own(
    remote: Repository, source: GitSource, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    revision = remote.commit(FILES)
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "junk")
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ext")
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    source.fetch("shop", remote.url, MAIN, revision)
    assert source.commit("shop", revision).revision == revision
    assert not (tmp_path / "trace").exists()


def test_G3_nothing_here_goes_through_gitpython() -> None:
    files = [path for room in ("runtime", "workers", "control") for path in (ROOT / room).rglob("*.py")]
    assert [
        path.name for path in files if "import git\n" in path.read_text() or "from git import" in path.read_text()
    ] == []


def fetching(tmp_path: Path, url: str, revision: str, ref: str = MAIN) -> subprocess.Popen[bytes]:
    code = (
        "import sys; from pathlib import Path; from runtime.source import GitSource; "
        "GitSource(Path(sys.argv[1]), local_paths=True).fetch('shop', *sys.argv[2:])"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "home"), url, ref, revision], cwd=ROOT)


def children() -> list[str]:
    """Return the git processes this process has started and that still run."""
    time.sleep(0.05)
    mine = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    ours = {"git", "timeout", "setpriv"}
    return [name for pid in mine if (name := Path(f"/proc/{pid}/comm").read_text().strip()) in ours]


def spoil(path: Path) -> None:
    """Change some bytes in the middle of what is kept."""
    largest = max((path / "objects").rglob("*"), key=lambda file: file.stat().st_size if file.is_file() else 0)
    data = largest.read_bytes()
    largest.chmod(0o600)
    largest.write_bytes(data[: len(data) // 2] + bytes(1000) + data[len(data) // 2 + 1000 :])


def empty_objects(path: Path) -> None:
    """Do what a power cut does to files that were not synced."""
    for file in (path / "objects").rglob("*"):
        if file.is_file():
            file.chmod(0o600)
            file.write_bytes(b"")


def test_the_signal_ladder_ends_a_git_that_does_not_listen(remote: Repository) -> None:
    with opened(["cat-file", "--batch"], git_dir=remote.path, seconds=10) as process:
        os.kill(process._popen.pid, signal.SIGSTOP)
        began = time.monotonic()
    assert time.monotonic() - began < 4
    assert children() == []
