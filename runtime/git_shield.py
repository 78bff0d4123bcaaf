"""What git may see and do: nothing of the configuration of user or machine, nothing but what is allowed by name."""

import os
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.credentials import Credentials

PROTECTIONS = (
    "protocol.allow=never",
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
SSH = ("-oBatchMode=yes", "-oConnectTimeout=15")
# What the machine's network and keys need; everything else of the environment stays outside.
PASSED = (
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "SSH_AUTH_SOCK"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "all_proxy"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """What one command may reach beyond the rest, and where it finds it.

    `protocol` is the one that may be spoken, `file` for directories of this machine. `trusted` is the configuration
    file that git may read. `settings` are more of git's own, `ssh` options of ssh. `file_bytes` is how large any file
    that it writes may become. `credentials` let it in at one host.
    """

    protocol: str = ""
    trusted: Path | None = None
    settings: tuple[str, ...] = ()
    ssh: tuple[str, ...] = ()
    file_bytes: int = 0
    credentials: Credentials | None = None


def options(git_dir: Path, reach: Reach) -> Iterator[str]:
    """Yield git's own options."""
    yield f"--git-dir={git_dir}"
    spoken = (f"protocol.{reach.protocol}.allow=always",) if reach.protocol else ()
    for setting in (*PROTECTIONS, *spoken, *reach.settings):
        yield from ("-c", setting)


def environment(reach: Reach) -> dict[str, str]:
    """Return the environment git gets, made from nothing."""
    known = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(reach.trusted or "/dev/null"),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_SSH_COMMAND": shlex.join(["ssh", *SSH, *reach.ssh]),
        "GIT_PROTOCOL_FROM_USER": "0",
    }
    return known | {name: os.environ[name] for name in PASSED if name in os.environ} | _header(reach.credentials)


@cache
def mortal(seconds: float) -> tuple[str, ...]:
    """Return the words before `git` that end it and all its helpers when its parent dies, or long after its time.

    The kernel tells only `timeout` of the parent's death; that passes it on to the whole process group.
    """
    setpriv, timeout = shutil.which("setpriv"), shutil.which("timeout")
    if not setpriv or not timeout:
        return ()
    return (setpriv, "--pdeathsig", "TERM", "--", timeout, "--kill-after=2", f"{seconds + 10:.0f}")


def bounded(reach: Reach) -> tuple[str, ...]:
    """Return the words before `git` that end it when a file it writes becomes too large."""
    prlimit = shutil.which("prlimit") if reach.file_bytes else None
    return (prlimit, f"--fsize={reach.file_bytes}", "--") if prlimit else ()


def _header(credentials: Credentials | None) -> dict[str, str]:
    """Return the settings that hold a secret: whoever lists processes sees options, but not another's environment."""
    if credentials is None:
        return {}
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{credentials.site}.extraHeader",
        "GIT_CONFIG_VALUE_0": credentials.header,
    }
