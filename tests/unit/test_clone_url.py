import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clone_url import check_url, local_path, site
from pipeline.errors import Rejected


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("https://git.example.com/team/shop.git", "git.example.com"),
        ("https://git.example.com:8443/shop", "git.example.com"),
        ("https://[2001:db8::1]/shop.git", "[2001:db8::1]"),
        ("https://h/$SLIPWAY_KEY", "h"),
        ("https://git.example.com/~ana/shop.git", "git.example.com"),
        ("ssh://git@git.example.com:2222/shop.git", "git.example.com"),
        ("ssh://git.example.com/shop.git", "git.example.com"),
        ("git@git.example.com:team/shop.git", "git.example.com"),
        ("git@git.example.com:/srv/shop.git", "git.example.com"),
    ],
)
def test_addresses_of_git_hosts_are_taken_as_they_are(url: str, where: str) -> None:
    assert check_url(url, local_paths=False) == url
    assert (site(url), local_path(url)) == (where, None)


@pytest.mark.parametrize("url", ["/srv/git/shop.git", "file:///srv/git/shop.git", "/srv/with space/shöp.git"])
def test_directories_are_taken_only_where_they_are_allowed(url: str) -> None:
    assert check_url(url, local_paths=True) == url
    assert local_path(url) == url.removeprefix("file://")
    with pytest.raises(Rejected, match="SLIPWAY_LOCAL_PATHS") as caught:
        check_url(url, local_paths=False)
    assert caught.value.code == "bad_url"


BAD = [
    "",
    "ext::sh -c id",
    "ext::sh%20-c%20id",
    "fd::3",
    "git://git.example.com/shop.git",
    "http://git.example.com/shop.git",
    "ftp://git.example.com/shop.git",
    "https::https://git.example.com/shop.git",
    "--upload-pack=touch x",
    "-oProxyCommand=id",
    "shop.git",
    "./shop.git",
    "~/shop.git",
    "git.example.com:shop.git",
    "file://git.example.com/shop.git",
    "https://",
    "https:///shop.git",
    "https://git.example.com",
    "https://-git.example.com/x",
    "https://git.example.com/shop.git\n--upload-pack=id",
    "https://git.example.com/a b",
    "https://git.example.com/\x1b[31m",
    "https://gıt.example.com/shop.git",
    "https://git_example$(id).com/x",
    "ssh://-oProxyCommand=id/x",
    "ssh://git@-oProxyCommand=id/x",
    "ssh://-git@h/x",
    "git@-oProxyCommand=id:x",
    "-git@h:x",
    "git@h:-x",
    "git@h:/-x",
    "git@h: x",
    "ssh://git@h/-x",
    "/srv/../etc",
    "/srv/shop.git\n",
    "https://h/" + "x" * 3000,
]


@pytest.mark.parametrize("host", ["-oProxyCommand=id", "h$(id)", "h;id", "h'", "h%0aid", "a_b", "`id`", "h|id", "-x"])
def test_G5_a_host_that_ssh_or_a_shell_might_obey_is_no_host(host: str) -> None:
    for url in (
        f"ssh://{host}/x",
        f"ssh://git@{host}/x",
        f"ssh://git@{host}:22/x",
        f"git@{host}:x",
        f"https://{host}/x",
    ):
        with pytest.raises(Rejected) as caught:
            check_url(url, local_paths=True)
        assert caught.value.code == "bad_url"


@pytest.mark.parametrize("url", BAD)
def test_G1_G2_G5_nothing_else_is_an_address(url: str) -> None:
    with pytest.raises(Rejected) as caught:
        check_url(url, local_paths=True)
    assert caught.value.code == "bad_url"
    assert caught.value.fix


@pytest.mark.parametrize(
    "url",
    [
        "https://token@git.example.com/shop.git",
        "https://ana:secret@git.example.com/shop.git",
        "ssh://git:secret@git.example.com/shop.git",
        "https://git.example.com/shop.git?access_token=secret",
        "https://git.example.com/shop.git#secret",
    ],
)
def test_G11_an_address_with_a_secret_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(Rejected, match="user, a password or a query") as caught:
        check_url(url, local_paths=True)
    assert "secret" not in f"{caught.value.sentence}{caught.value.fix}"


@given(st.text(alphabet="-ex:/@.git#?$(){};|&\\ \n\0%a1[]~", max_size=40))
def test_what_is_taken_is_never_an_option_or_a_helper(url: str) -> None:
    try:
        taken = check_url(url, local_paths=True)
    except Rejected:
        return
    assert taken.startswith(("https://", "ssh://", "file:///", "/")) or "@" in taken.split(":")[0]
    assert not taken.startswith("-")
    assert "::" not in taken.split("/")[0].split("[")[0]
