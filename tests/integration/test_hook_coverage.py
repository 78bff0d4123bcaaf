"""Every branch of the doors' parsers and signature checks is taken by the tests of what they mean."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = sorted(str(path) for path in (ROOT / "tests" / "unit").glob("test_hook_*.py"))
FILES = ("bitbucket", "bitbucket_server", "forges", "generic", "git", "gitea", "github", "gitlab", "meaning", "payload")
# Those that try out anything find branches by luck; what is asked for here must not depend on luck.
CHOSEN = " and ".join(
    f"not {word}" for word in ("any_", "arbitrary", "wrong_types", "nesting", "half", "crash", "stream")
)


def test_every_branch_of_parsers_and_signatures_is_tested(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    python = [sys.executable, "-m", "coverage"]
    run = [*python, "run", "--branch", f"--include={ROOT}/hooks/*", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environment = os.environ | {"COVERAGE_FILE": str(tmp_path / "data")}
    for argv in (
        [*run, f"--basetemp={tmp_path / 'pytest'}", "-k", CHOSEN, *TESTS],
        [*python, "json", "-q", "-o", str(report)],
    ):
        ended = subprocess.run(
            argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert ended.returncode == 0, ended.stdout[-2_000:] + ended.stderr[-2_000:]
    found = json.loads(report.read_text())["files"]
    for name in (*FILES, "signatures"):
        figures = found[f"hooks/{name}.py"]
        missing = (figures["missing_lines"], figures["missing_branches"])
        assert missing == ([], []), f"hooks/{name}.py: lines and branches that no test takes: {missing}"
