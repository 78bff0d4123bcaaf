"""What git may see and do: nothing of the configuration of user or machine, nothing but what is allowed by name."""

import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PROTECTIONS = (
    "protocol.allow=never",
    "protocol.https.allow=always",
    "protocol.ssh.allow=always",
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
    "credential.helper=",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "safe.bareRepository=explicit",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
    # Names that would lead out of a tree are refused as they come in; what old repositories merely got wrong is not.
    "fetch.fsckObjects=true",
    "fetch.fsck.hasDot=error",
    "fetch.fsck.hasDotdot=error",
    "fetch.fsck.hasDotgit=error",
    "fetch.fsck.fullPathname=error",
    "fetch.fsck.nullSha1=error",
    "fetch.fsck.badTimezone=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
    "fetch.fsck.missingEmail=ignore",
    "fetch.fsck.missingNameBeforeEmail=ignore",
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "fetch.fsck.zeroPaddedDate=ignore",
)
# What the machine's network and keys need; everything else of the environment stays outside.
PASSED = (
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "SSH_AUTH_SOCK"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "all_proxy"),
)


def options(git_dir: Path, *, local: bool) -> Iterator[str]:
    """Yield git's own options; `local` opens this machine's directories to the one command."""
    yield f"--git-dir={git_dir}"
    for setting in (*PROTECTIONS, *(("protocol.file.allow=always",) if local else ())):
        yield from ("-c", setting)


def environment(trusted: Path | None) -> dict[str, str]:
    """Return the environment git gets, made from nothing; `trusted` is the only configuration file it may read."""
    known = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(trusted or "/dev/null"),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=15",
        "GIT_PROTOCOL_FROM_USER": "0",
    }
    return known | {name: os.environ[name] for name in PASSED if name in os.environ}


@cache
def mortal(seconds: float) -> tuple[str, ...]:
    """Return the words before `git` that end it and all its helpers when its parent dies, or long after its time.

    The kernel tells only `timeout` of the parent's death; that passes it on to the whole process group.
    """
    setpriv, timeout = shutil.which("setpriv"), shutil.which("timeout")
    if not setpriv or not timeout:
        return ()
    return (setpriv, "--pdeathsig", "TERM", "--", timeout, "--kill-after=2", f"{seconds + 10:.0f}")
