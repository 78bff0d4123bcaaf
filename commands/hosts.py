"""The git hosts that people use: which they are, and where a webhook is added there."""

from urllib.parse import urlsplit

from pipeline.project import Forge

HOSTS = {
    "github.com": Forge.GITHUB,
    "ssh.github.com": Forge.GITHUB,
    "gitlab.com": Forge.GITLAB,
    "altssh.gitlab.com": Forge.GITLAB,
    "gitea.com": Forge.GITEA,
    "codeberg.org": Forge.FORGEJO,
    "bitbucket.org": Forge.BITBUCKET,
    "altssh.bitbucket.org": Forge.BITBUCKET,
}
# What people call the machine where they run one of their own.
OWN_HOSTS = {
    "gitlab": Forge.GITLAB,
    "gitea": Forge.GITEA,
    "forgejo": Forge.FORGEJO,
    "gogs": Forge.GOGS,
    "bitbucket": Forge.BITBUCKET_SERVER,
}
WHERE_TO_ADD = {
    Forge.GITHUB: "GitHub: Settings → Webhooks → content type application/json, the push event.",
    Forge.GITLAB: "GitLab: Settings → Webhooks → the secret as signing (or secret) token, push and tag push events.",
    Forge.GITEA: "Gitea: Settings → Webhooks → Gitea → application/json, push, create and delete events.",
    Forge.FORGEJO: "Forgejo: Settings → Webhooks → Forgejo → application/json, push, create and delete events.",
    Forge.GOGS: "Gogs: Settings → Webhooks → Gogs → application/json, push, create and delete events.",
    Forge.BITBUCKET: "Bitbucket: Repository settings → Webhooks → the repository's push event.",
    Forge.BITBUCKET_SERVER: "Bitbucket: Repository settings → Webhooks → the repository's push event, a secret.",
    Forge.GENERIC: "whatever sends it, signed as https://www.standardwebhooks.com says.",
}


def forge_of(url: str) -> Forge:
    """Return the kind of git host a repository's address points to, as far as it can be told."""
    host = urlsplit(url).hostname if "://" in url else url.partition(":")[0].rpartition("@")[2]
    host = (host or "").lower()
    return HOSTS.get(host) or OWN_HOSTS.get(host.partition(".")[0], Forge.GIT)
