"""The words of the chat grammar: aliases, usage lines, and undoing what keyboards and Slack do to a line."""

import re
import unicodedata

from pipeline.intents import Verb

ALIASES = {
    "ship": Verb.DEPLOY,
    "revert": Verb.ROLLBACK,
    "undo": Verb.ROLLBACK,
    "lgtm": Verb.APPROVE,
    "deny": Verb.REJECT,
    "stop": Verb.CANCEL,
    "rerun": Verb.RETRY,
    "run": Verb.BUILD,
    "hold": Verb.LOCK,
    "unpin": Verb.RESUME,
    "st": Verb.STATUS,
    "compare": Verb.DIFF,
    "latest": Verb.HISTORY,
    "deploys": Verb.HISTORY,
    "logs": Verb.LOG,
    "me": Verb.WHOAMI,
}
VERBS = {verb.value: verb for verb in Verb} | ALIASES

USAGE = {
    Verb.DEPLOY: "deploy SERVICE[@REF] [SERVICE…] [to ENVIRONMENT] [because WHY]",
    Verb.ROLLBACK: "rollback ENVIRONMENT, or: rollback SERVICE on ENVIRONMENT [to REF] [because WHY]",
    Verb.PROMOTE: "promote ENVIRONMENT to ENVIRONMENT, or: promote SERVICE from ENVIRONMENT to ENVIRONMENT",
    Verb.APPROVE: "approve r87",
    Verb.REJECT: "reject r87 because WHY",
    Verb.ADVANCE: "advance d142 [to 50%]",
    Verb.ABORT: "abort d142",
    Verb.BUILD: "build PROJECT[@REF] [STAGE…] [because WHY]",
    Verb.CANCEL: "cancel r87",
    Verb.RETRY: "retry r87 [STAGE]",
    Verb.LOCK: "lock [SERVICE on] ENVIRONMENT [for 2h] [because WHY]",
    Verb.UNLOCK: "unlock all, or: unlock [SERVICE on] ENVIRONMENT",
    Verb.PAUSE: "pause ENVIRONMENT [because WHY]",
    Verb.RESUME: "resume ENVIRONMENT",
    Verb.STATUS: "status [ENVIRONMENT | SERVICE | r87 | d142]",
    Verb.WHERE: "where [SERVICE]",
    Verb.SETS: "sets [SET | ENVIRONMENT]",
    Verb.HISTORY: "history [ENVIRONMENT | SERVICE]",
    Verb.DIFF: "diff ENVIRONMENT ENVIRONMENT, or: diff set A set B, or: diff SERVICE REF..REF",
    Verb.LOG: "log r87 [STAGE]",
    Verb.LOCKS: "locks",
    Verb.SUBSCRIBE: "subscribe PROJECT [EVENT…] [env:ENVIRONMENT] [branch:GLOB]",
    Verb.UNSUBSCRIBE: "unsubscribe PROJECT [EVENT…]",
    Verb.LINK: "link [CODE]",
    Verb.WHOAMI: "whoami",
    Verb.HELP: "help [VERB]",
}

_SIGNS = str.maketrans(
    {"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "–": "-", "‑": "-", "—": "--"}
    | {"`": None, "…": "...", "\N{NO-BREAK SPACE}": " "}
)
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}
_MARKED = re.compile(r"<([@#!]?)([^<>|\s]*)(?:\|([^<>]*))?>")


def clean(line: str) -> str:
    """Return a line as it was meant: no smart signs, Slack mark-up or invisible characters, one space between words."""
    spaced = "".join(" " if one.isspace() else one for one in line)
    seen = "".join(one for one in spaced if unicodedata.category(one) not in _INVISIBLE)
    unmarked = _MARKED.sub(_unmarked, seen.translate(_SIGNS))
    for entity, sign in _ENTITIES:
        unmarked = unmarked.replace(entity, sign)
    return " ".join(unmarked.split())


def _unmarked(found: re.Match[str]) -> str:
    """Turn `<http://web|web>` into web, `<@U1|ana>` into @ana; a call to everybody becomes nothing."""
    sign, target, label = found.groups()
    if sign == "!":
        return label or ""
    return sign + (label or target.removeprefix("mailto:"))
