"""A service as a team with secrets and toolchains builds it: by commands and pushes only."""

import subprocess

from tests.system import DOCKERFILE, ROOT, System, until

YML = """
name: forge
services:
  web:
    build: {target: full, secrets: [TOKEN]}
    builder: {dockerfile: tools/Dockerfile, run: "mkdir dist; tr a-z A-Z <word >dist/index.html", output: dist}
    release: {target: small}
    port: 8080
    health: {path: /index.html}
    drain: 1s
publish: {git_tags: true}
stages:
  build: {build: [web]}
  unit: {test: {in: web, run: "grep -q HELLO /www/index.html"}}
  staging: {deploy: staging}
"""
VALUE = "open-sesame-4711"


def test_a_service_is_built_in_its_toolchain_with_a_secret_numbered_and_tagged(slipway: System) -> None:
    base = DOCKERFILE.splitlines()[0]
    full = f"""{base} AS small
COPY . /www
CMD ["httpd", "-f", "-p", "8080", "-h", "/www"]
FROM small AS full
RUN --mount=type=secret,id=TOKEN,required echo seen $(cat /run/secrets/TOKEN)
EXPOSE 8080
"""
    repository = slipway.repository(
        "forge", {"slipway.yml": YML, "Dockerfile": full, "tools/Dockerfile": f"{base}\n", "word": "hello\n"}
    )
    subprocess.run(
        [ROOT / "slipway", "secret", "set", "TOKEN", "--project", "forge"],
        input=VALUE,
        text=True,
        check=True,
        env=slipway.environment,
        capture_output=True,
        timeout=60,
    )
    revision = repository.commit("A word")
    repository.push_quietly()
    run = slipway.wait_run(revision, 180)
    log = slipway.request("GET", f"/api/v1/runs/{run['id']}/stages/build/log").text
    assert run["state"] == "passed", (run, log)
    assert slipway.ask("web.staging.forge.slipway.localhost", "/index.html").text == "HELLO\n"
    image = run["images"][0]
    assert image["release_digest"] not in {None, image["digest"]}
    assert run["build_number"] == 1
    assert "seen" in log and VALUE not in log
    tag = ["git", "--git-dir", str(repository.bare), "rev-parse", "build-main-1^{commit}"]

    def tagged() -> bool:
        return subprocess.run(tag, capture_output=True, text=True, check=False).stdout.strip() == revision

    until(tagged, 60, lambda: "no tag build-main-1 in the repository")
    deliveries = "select count(*) from delivery where code = 'own_tag'"
    until(lambda: slipway.value(deliveries) == 1, 60, lambda: "the hook of our own tag was not heard")
    assert len(slipway.api("/runs?project=forge")["items"]) == 1
