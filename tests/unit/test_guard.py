"""The guard of URLs: what it refuses, and that it reads a URL as those who call it do."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.guard import Unreachable, UrlRefused, UrlRules, check_addresses, place_of

PUBLIC = "93.184.216.34"
STRICT = UrlRules()
LOOSE = UrlRules(plain_http=True, networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")))


def check(address: str, port: int = 443, rules: UrlRules = STRICT) -> list[str]:
    place = place_of(f"https://hooks.example.com:{port}/", rules)
    return [str(a) for a in check_addresses([address], place, rules)]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "gopher://hooks.example.com/",
        "//hooks.example.com/",
        "hooks.example.com",
        "https://",
        "https:///path",
        "https://user:secret@hooks.example.com/",
        "https://hooks.example.com@evil.example/",
        "https://hooks.example.com\\@evil.example/",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\r\nHost: evil.example",
        "https://hooks.example.com:port/",
        "https://hooks.example.com:99999/",
        "https://hööks.example.com/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://017700000001/",
        "https://127.1/",
        "https://127.0.0.01/",
        "https://[fe80::1%25eth0]/",
        "https://[::1/",
        "https://-hooks.example.com/",
        "https://hooks..example.com/",
        "https://" + "a" * 3000,
    ],
)
def test_a_url_that_could_mislead_is_refused(url):
    """R123: other schemes, user names, odd ways to write an address, other scripts."""
    with pytest.raises(UrlRefused):
        place_of(url, STRICT)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://Hooks.Example.com", ("https", "hooks.example.com", 443, "/")),
        ("https://hooks.example.com./x?y=1#z", ("https", "hooks.example.com", 443, "/x?y=1")),
        ("https://hooks.example.com:8443/x", ("https", "hooks.example.com", 8443, "/x")),
        ("https://93.184.216.34/", ("https", PUBLIC, 443, "/")),
        ("https://[2606:4700::1111]/", ("https", "2606:4700::1111", 443, "/")),
        ("https://xn--hks-sna.example/%20", ("https", "xn--hks-sna.example", 443, "/%20")),
    ],
)
def test_an_ordinary_url_names_its_place(url, place):
    found = place_of(url, STRICT)
    assert (found.scheme, found.host, found.port, found.path) == place


def test_the_host_header_has_the_port_where_it_is_not_the_usual_one():
    assert place_of("https://a.example/", STRICT).authority == "a.example"
    assert place_of("https://a.example:8443/", STRICT).authority == "a.example:8443"
    assert place_of("https://[2606:4700::1]:8443/", STRICT).authority == "[2606:4700::1]:8443"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",  # noqa: S104 - refused
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.192",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2001:0:7f00:1::",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:db8::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address):
    """R123: loopback, private, link-local, metadata, carriers' NAT, and each of them in the clothes of IPv6."""
    with pytest.raises(UrlRefused) as refused:
        check(address)
    assert address not in str(refused.value), "it tells nobody what a name stands for inside"


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_a_public_address_may_be_called(address):
    assert check(address) == [address.removeprefix("::ffff:")]


@pytest.mark.parametrize("port", [22, 25, 80, 5432, 6379, 8080])
def test_a_public_address_may_be_called_at_the_ports_of_the_settings_alone(port):
    with pytest.raises(UrlRefused):
        check(PUBLIC, port)
    assert check(PUBLIC, port, UrlRules(ports=frozenset({port})))


def test_one_address_that_is_not_public_spoils_all():
    place = place_of("https://hooks.example.com/", STRICT)
    with pytest.raises(UrlRefused):
        check_addresses([PUBLIC, "10.0.0.1"], place, STRICT)
    with pytest.raises(Unreachable):
        check_addresses([], place, STRICT)


def test_a_network_that_is_allowed_may_be_called_at_any_port_and_no_other_is_opened():
    assert check("127.0.0.1", 12345, LOOSE)
    assert check("::ffff:127.0.0.1", 12345, LOOSE) == ["127.0.0.1"]
    assert check("::1", 1, LOOSE)
    with pytest.raises(UrlRefused):
        check("10.0.0.1", 443, LOOSE)


def test_no_setting_opens_what_hands_out_credentials():
    """R123."""
    everything = UrlRules(networks=(ip_network("0.0.0.0/0"), ip_network("::/0")))
    assert check("10.0.0.1", 1, everything)
    for address in ("169.254.169.254", "168.63.129.16", "fd00:ec2::254", "fe80::1"):
        with pytest.raises(UrlRefused):
            check(address, 443, everything)


@given(st.text(max_size=60))
def test_whatever_a_user_writes_is_a_place_or_is_refused(text):
    for url in (text, f"https://{text}", f"https://a.example/{text}"):
        try:
            place = place_of(url, LOOSE)
        except UrlRefused:
            continue
        assert place.scheme in ("http", "https")
        assert 0 < place.port < 65536
        assert place.path.isascii()
        assert not set(place.path) & set("\r\n ")
