"""What a stranger's Dockerfile may ask for, whatever it hides it behind."""

import pytest

from pipeline.strangers import Reach

OURS = Reach(registry="localhost:5100", home="h1", project="shop")


@pytest.mark.parametrize(
    "text",
    [
        "FROM x\nRUN --mount=type=cache,target=/c make\n",
        "FROM x\nRUN --mount=target=/c,type=CACHE make\n",
        "FROM x\nRUN --mount=type=bind,type=cache,target=/c make\n",
        "FROM x\nRUN --network=none --mount=type=ca\\\nche,target=/c make\n",
        "FROM x\nRUN --mount=type=bind\\\n# why\n\n,type=cache,target=/c make\n",
        "# escape=`\nFROM x\nRUN --mo`\nunt=type=cache,target=/c make\n",
        'FROM x\nRUN --mount="type=cache,target=/c" make\n',
        "FROM x\nRUN --m'oun't=type=cache,target=/c make\n",
        "FROM x\nRUN --mou\\nt=type=cache,target=/c make\n",
        "FROM x\nRUN --mount=type=ca\\che,target=/c make\n",
        "FROM x\nARG T=cache\nRUN --mount=type=$T,target=/c make\n",
        "FROM x\nONBUILD RUN --mount=type=cache,target=/c make\n",
        "FROM x\nRUN --mount=type=bind,target=/a --mount=type=cache,target=/c make\n",
        "FROM x\nRUN --mount=type=bind,target=/a\\\n  --mount=type=cache,target=/c make\n",
    ],
)
def test_D15_no_cache_that_others_build_with(text: str) -> None:
    assert "may not use `RUN --mount=type=cache`" in str(OURS.check(text))


@pytest.mark.parametrize(
    "line",
    [
        "ADD http://127.0.0.1:8000/api/v1/runs /x",
        "add --chown=1 \\\n  http://127.0.0.1:8000/ /x",
        'ADD ["ht\\tp://127.0.0.1/", "/x"]',
        "ADD git@localhost:shop.git /x",
        "ONBUILD ADD http://localhost/ /x",
        "ARG U=http://localhost/\nADD $U /x",
        "ADD ht\\\n# why\ntp://localhost/ /x",
    ],
)
def test_G17_the_builder_fetches_nothing_for_a_stranger_from_where_it_is(line: str) -> None:
    assert "may not `ADD`" in str(OURS.check(f"FROM x\n{line}\n"))


@pytest.mark.parametrize(
    "name",
    [
        "localhost:5100/other/web:1",
        "LOCALHOST:5100/other/web",
        "127.0.0.1:5100/other/web",
        "elsewhere.test:5100/other/web",
        "localhost:5100/shop/$X",
        "localhost:5100/shopping/web",
        "localhost:5100/$X",
        "local$X",
        "$X",
        "elsewhere.test:$X",
        "slipway-h1/toolchain/other/web:1",
        "docker.io/slipway-h1/toolchain/other/web:1",
        "docker.io/$X",
    ],
)
def test_G17_no_other_projects_images(name: str) -> None:
    assert OURS.refusal(name)
    assert OURS.check(f"FROM --platform=linux/amd64 '{name}' AS a\n")
    assert OURS.check(f"from a\nCOPY --from={name} / /\n")
    assert OURS.check(f"FROM a\nRUN --mount=type=bind,from={name},target=/x true\n")


@pytest.mark.parametrize(
    "text",
    [
        "ARG V=3\nFROM --platform=$BUILDPLATFORM python:${V} AS a\nFROM a\nCOPY --from=a / /\nCOPY --from=0 / /\n",
        "FROM registry.example.com/tools/go:${V}\nRUN pip install --no-cache-dir .\n",
        "FROM x\nADD --chown=1 site.tar.gz /www\nRUN wget http://example.com/x && echo $HOME\n",
        "FROM localhost:5100/shop/web@sha256:00\nFROM slipway-h1/toolchain/shop/web:1\n",
        "FROM x\nRUN --mount=type=bind,target=/a \\\n    --mount=type=secret,id=ca_bundle,target=/b make\n",
        "FROM x\n# RUN --mount=type=cache,target=/c make\n",
    ],
)
def test_what_is_no_danger_to_others_is_built(text: str) -> None:
    assert OURS.check(text) is None


def test_another_registry_is_known_by_its_host() -> None:
    remote = Reach(registry="registry.example.com:5000/team", home="h1", project="shop")
    assert remote.refusal("registry.example.com:5000/team/other/web")
    assert remote.refusal("registry.example.com:5000/elsewhere")
    assert remote.refusal("registry.example.com:5000/team/shop/web:1") is None
    assert remote.refusal("other.example.com:5000/x") is None
