"""The context that is made of a build container's output."""

import io
import tarfile
from datetime import UTC, datetime

import pytest

from pipeline.context_tar import context_tar
from pipeline.errors import StageFailed

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def output(*members: tuple[str, bytes, bytes]) -> io.BytesIO:
    """Return a tar of members: name, type, and content or where a link leads."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, kind, data in members:
            member = tarfile.TarInfo(name)
            member.type, member.mtime, member.uid, member.uname, member.mode = kind, 99, 1000, "bob", 0o750
            if kind == tarfile.REGTYPE:
                member.size = len(data)
            else:
                member.linkname = data.decode()
            tar.addfile(member, io.BytesIO(data) if kind == tarfile.REGTYPE else None)
    file.seek(0)
    return file


def read(given: io.BytesIO) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    made = context_tar(given, dockerfile="./build/Dockerfile", text=b"FROM scratch\n", created=WHEN).read()
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        return {one.name: (one, (tar.extractfile(one) or io.BytesIO()).read() if one.isreg() else b"") for one in tar}


def test_the_commits_dockerfile_takes_the_place_of_any_other() -> None:
    found = read(output(("./build/Dockerfile", tarfile.REGTYPE, b"FROM evil\n"), ("./a", tarfile.REGTYPE, b"a" * 600)))
    assert found["build/Dockerfile"][1] == b"FROM scratch\n"
    assert found["a"][1] == b"a" * 600
    assert set(found) == {"build/Dockerfile", "a"}


def test_times_and_owners_are_the_commits_and_roots() -> None:
    found = read(output(("./", tarfile.DIRTYPE, b""), ("./x", tarfile.REGTYPE, b"x"), ("./y", tarfile.SYMTYPE, b"x")))
    assert {(one.mtime, one.uid, one.uname) for one, _ in found.values()} == {(int(WHEN.timestamp()), 0, "")}
    assert found["x"][0].mode == 0o750 and found["y"][0].linkname == "x"


def test_links_within_the_output_stay_links() -> None:
    found = read(output(("./x", tarfile.REGTYPE, b"x"), ("./z", tarfile.LNKTYPE, b"./x")))
    assert found["z"][0].islnk() and found["z"][0].linkname == "x"


def test_what_is_no_archive_fails_with_a_sentence() -> None:
    with pytest.raises(StageFailed) as failed:
        read(io.BytesIO(b"nonsense" * 200))
    assert failed.value.code == "no_output"
