from collections.abc import Iterable, Mapping
from typing import cast

import pytest

from pipeline.errors import StageFailed
from pipeline.ports import Source
from pipeline.spec import load
from workers.commit_files import CommitFiles


class Tree:
    """A commit in which some files are symbolic links; counts how often it is looked into."""

    def __init__(self, files: Mapping[str, bytes], links: Iterable[str] = ()) -> None:
        self._files = dict(files)
        self._links = frozenset(links)
        self.looks = 0

    def files(self, _project: str, _revision: str, paths: Iterable[str]) -> Mapping[str, bytes]:
        self.looks += 1
        wanted = list(paths)
        if link := next((path for path in wanted if path in self._links), None):
            raise StageFailed(f"{link} is a symbolic link; none is followed", code="symlink")
        return {path: self._files[path] for path in wanted if path in self._files}

    def read(self, project: str, revision: str, path: str) -> bytes | None:
        return self.files(project, revision, [path]).get(path)


def files_of(tree: Tree) -> CommitFiles:
    return CommitFiles(cast(Source, tree), "shop", "1" * 40)


def test_what_is_usual_is_read_in_one_look() -> None:
    tree = Tree({"Dockerfile": b"", "slipway.yml": b"services: {web: }"})
    assert list(load(files_of(tree), project="shop").services) == ["web"]
    assert tree.looks == 1


def test_a_link_is_in_nobodys_way_that_does_not_need_it() -> None:
    tree = Tree({"slipway.yml": b"compose: []", "Dockerfile": b""}, links=["docker-compose.yml"])
    assert list(load(files_of(tree), project="shop").services) == ["shop"]
    newer = Tree({"compose.yaml": b"services: {web: {build: .}}"}, links=["docker-compose.yml"])
    assert list(load(files_of(newer), project="shop").services) == ["web"]


def test_a_link_that_is_needed_is_refused() -> None:
    tree = Tree({"Dockerfile": b""}, links=["docker-compose.yml"])
    with pytest.raises(StageFailed, match="symbolic link"):
        load(files_of(tree), project="shop")
