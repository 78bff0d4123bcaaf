"""Tests as people write them: beside a real service, against what was deployed, with reports and what they leave."""

import json

from tests.system import DOCKERFILE, System

PASSES = "<testsuite><testcase classname='cart' name='adds'/></testsuite>"
FAILS = "<testsuite><testcase classname='cart' name='adds'><failure message='1 is not 2'/></testcase></testsuite>"
BESIDE = """
name: beside
services:
  web: {port: 8080, health: {path: /index.html}, drain: 1s, main: true}
  redis: {image: "slipway/base-redis:local", ready: {run: "redis-cli ping"}}
stages:
  build: {build: [web]}
  private:
    needs: [build]
    test:
      in: web
      with: [redis]
      restore: [{into: redis, file: data.redis, run: "redis-cli --pipe"}]
      run: "echo 'GET basket' | nc -w 5 redis 6379"
  local:
    needs: [build]
    test: {in: web, with: [redis], network: localhost, run: "echo PING | nc -w 5 127.0.0.1 6379 | grep PONG"}
  ci: {needs: [private, local], deploy: {to: ci, services: [web]}}
  live:
    test:
      in: web
      against: ci
      run: ["sh", "/www/live.sh"]
      reports: {junit: ["/reports/*.xml"], files: ["/reports/*.txt"]}
"""
# The busybox of this image may crash when it looks a name up; what looks names up for it is its hosts file.
LIVE = """mkdir -p /reports; cp /www/report.xml /reports/
host=${SLIPWAY_URL_WEB#http://}; name=${host%:*}; port=${host#*:}
printf 'GET /index.html HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n' "$host" | nc -w 10 "$name" "$port" | tee /reports/page.txt
grep -q one /reports/page.txt
for host in slipway.test slipway.localhost; do
    printf 'GET /api/v1/secrets HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n' $host | nc -w 10 "$name" "$port" | head -n 1
done
"""


def files(report: str) -> dict[str, str]:
    return {
        "Dockerfile": DOCKERFILE,
        "slipway.yml": BESIDE,
        "index.html": "one\n",
        "data.redis": "SET basket full\r\n",
        "live.sh": LIVE,
        "report.xml": report,
    }


def log(slipway: System, run: str, stage: str) -> str:
    return slipway.request("GET", f"/api/v1/runs/{run}/stages/{stage}/log").text


def test_stages_stand_beside_real_services_and_face_what_was_deployed(slipway: System) -> None:
    slipway.command("base", "build", "redis")
    repository = slipway.repository("beside", files(PASSES))
    revision = repository.commit("Something that is tested")
    repository.push_quietly()
    run = slipway.wait_run(revision, 180)
    stages = {stage["name"]: (stage["state"], stage["reason"]) for stage in run["stages"]}
    assert run["state"] == "passed", (stages, [log(slipway, run["id"], name) for name in stages])
    assert "full" in log(slipway, run["id"], "private").splitlines()
    assert stages["live"] == ("passed", "1 passed")
    said = log(slipway, run["id"], "live").splitlines()
    assert "one" in said
    # A container is never somebody of this machine, and to it there is no dashboard.
    assert [line.strip() for line in said if line.startswith("HTTP/1.")][-2:] == ["HTTP/1.1 404 Not Found"] * 2, said

    broken = repository.commit("Something that fails", {"report.xml": FAILS})
    repository.push_quietly()
    failed = slipway.wait_run(broken, 180)
    live = next(stage for stage in failed["stages"] if stage["name"] == "live")
    assert (failed["state"], live["state"]) == ("failed", "failed"), json.dumps(failed)
    assert live["reason"] == f"1 failed: adds (new since {run['id']}), although `sh /www/live.sh` exited with 0"
    kept = "select count(*) from artifact where run_id = :run and path = 'reports/page.txt'"
    assert slipway.value(kept, run=int(failed["id"][1:])) == 1
