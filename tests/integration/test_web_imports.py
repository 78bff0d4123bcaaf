"""What the web process loads, and how soon it answers."""

import json
import os
import subprocess
import sys
from pathlib import Path

from config.settings import ROOT

LOOK = """
import json, sys, time
began = time.perf_counter()
from app import create_app
create_app()
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "modules": sorted({name.split(".")[0] for name in sys.modules})}))
"""


def test_the_web_process_never_loads_the_engine_git_or_the_queue(tmp_path: Path) -> None:
    environment = {**os.environ, "SLIPWAY_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", LOOK], env=environment, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert not {"docker", "git", "rq", "redis", "requests", "slack_sdk", "rq_scheduler"} & set(said["modules"])
    # Generous: the figure belongs to a machine that is doing nothing else.
    assert said["seconds"] < 5
