"""What is told of a Dockerfile before it is built."""

import pytest

from pipeline.dockerfile import check_dockerfile, check_path

PLAIN = "# a comment\nFROM scratch\nCOPY a /a\nRUN make \\\n  all\n"


@pytest.mark.parametrize("builder", ["buildkit", "classic"])
def test_a_plain_dockerfile_is_fine_for_both_builders(builder: str) -> None:
    assert check_dockerfile(PLAIN, builder) is None
    assert check_dockerfile("", builder) is None


@pytest.mark.parametrize(
    "text",
    [
        "# syntax=evil/frontend\nFROM x",
        "#SyNtAx = evil/frontend:1 \nFROM x",
        "\ufeff# syntax=evil/frontend\nFROM x",
        "# escape=`\n# syntax=evil/frontend\nFROM x",
        "#!/usr/bin/env x\n# syntax=evil/frontend\nFROM x",
        "// syntax=evil/frontend\nFROM x",
        "# syntax=localhost.evil.com/frontend\nFROM x",
        "# syntax=evil/localhost/frontend\nFROM x",
        "# syntax=localhost\nFROM x",
        "# syntax=localhost:5100/shop/web:1\nFROM x",
    ],
)
def test_D9_another_builder_is_never_fetched(text: str) -> None:
    assert "would fetch another builder" in str(check_dockerfile(text, "buildkit"))
    assert "needs BuildKit" in str(check_dockerfile(text, "classic"))


def test_a_frontend_that_is_named_may_be_used() -> None:
    text = "# syntax=docker/dockerfile:1\nFROM x"
    assert check_dockerfile(text, "buildkit", frontends={"docker/dockerfile:1"}) is None
    assert check_dockerfile(text, "classic", frontends={"docker/dockerfile:1"}) is not None


@pytest.mark.parametrize("before", ["\n", "# a comment\n", "FROM x\n"])
def test_a_comment_that_is_no_directive_is_a_comment(before: str) -> None:
    assert check_dockerfile(f"{before}# syntax=evil/frontend\n", "buildkit") is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("FROM x\nRUN --mount=type=cache,target=/c make\n", "line 2: `RUN --mount`"),
        ("FROM x\n  run \\\n  # why\n\n  --mount=type=secret,id=a make\n", "line 2: `RUN --mount`"),
        ("# escape=`\nFROM x\nRUN `\n  --network=none make\n", "line 3: `RUN --network`"),
        ("FROM x\nRUN <<EOF\nmake\nEOF\n", "line 2: a here-document"),
        ("FROM x\nCOPY <<-'END' /etc/x\n  a\nEND\n", "line 2: a here-document"),
    ],
)
def test_what_only_buildkit_understands_is_said_with_its_line(text: str, sentence: str) -> None:
    assert sentence in str(check_dockerfile(text, "classic"))
    assert check_dockerfile(text, "buildkit") is None


@pytest.mark.parametrize(
    "text",
    [
        "FROM x\nRUN echo --mount=x\n",
        "FROM x\nRUN echo $((1 <<N))\n",
        "FROM x\nRUN cat <<<word\n",
        "FROM x\nRUN echo '<<EOF'\n",
        "FROM x\n# RUN --mount=type=cache make\n",
        "FROM x\nRUN echo \\\n# RUN --mount=x\n done\n",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert check_dockerfile(text, "classic") is None


@pytest.mark.parametrize("path", ["Dockerfile", "a/b.Dockerfile", "..a/Dockerfile", "a..b"])
def test_a_path_inside_the_context_is_fine(path: str) -> None:
    assert check_path(path) is None


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a/..", "..\\x", "\\x", "a\0b"])
def test_a_path_that_leaves_the_context_is_refused(path: str) -> None:
    assert "must be relative" in str(check_path(path))
