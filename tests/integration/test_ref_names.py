"""What the doors take for a ref's name, against git's own opinion."""

import subprocess

from hypothesis import example, given, settings
from hypothesis import strategies as st

from hooks import payload
from pipeline.errors import Rejected
from tests.parts import need

# The characters and pairs that git's rules are about, among ordinary ones.
pieces = st.sampled_from([*"ab-_.,/~^:?*[\\@{}\x01\x7f \n$`;|!<>'\"é籠\x85", "..", "@{", ".lock", "//", "refs/heads/"])
names = st.lists(pieces, min_size=1, max_size=6).map("".join)


@settings(max_examples=150, deadline=None)
@given(names)
@example("-x")
@example("@")
@example("a.lock/b")
@example("HEAD")
@example("a\ud800")
def test_every_ref_that_is_taken_is_one_that_git_allows(name: str) -> None:
    need("git")
    ref = f"refs/heads/{name}"
    try:
        taken = payload.ref({"ref": ref}) == ref
    except Rejected:
        taken = False
    if "\ud800" in name:
        assert not taken
        return
    checked = subprocess.run(["git", "check-ref-format", ref], check=False, capture_output=True)
    assert taken is (checked.returncode == 0)
