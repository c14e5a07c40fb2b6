"""Reading fixed places: what was asked for and nothing else, over connections that are kept."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.guard import Unreachable, UrlRefused, UrlRules
from core.internet import Ask, Internet
from infrastructure.fetching import Fetcher
from infrastructure.settings import Settings
from tests.support.sources import LOOPBACK
from triggers.local.sources import Fault, Stand, standing

DATA = bytes(range(256)) * 40


@pytest.fixture
def stand() -> Iterator[Stand]:
    with standing(lambda path: DATA if path.startswith("host/file") else None) as found:
        yield found


@pytest.fixture
def net(stand: Stand) -> Iterator[Internet]:
    reader = Fetcher(LOOPBACK, quiet=60)
    yield Internet(reader, stand.url)
    reader.close()


def test_a_part_is_exactly_that_part(net: Internet) -> None:
    told = net.read(Ask("https://host/file", 100, 50))
    assert (told.status, told.body) == (206, DATA[100:150])
    assert net.read(Ask("https://host/file")).body == DATA


def test_what_is_not_there_is_an_answer(net: Internet) -> None:
    assert net.read(Ask("https://host/nothing", 0, 5)).status == 404


def test_an_open_end_is_read_as_far_as_it_is_wanted(net: Internet) -> None:
    """R144: the last message of a file ends where it says, not where the file does."""
    told = net.read(Ask("https://host/file", 1000, None, enough=lambda head: 64))
    assert told.body == DATA[1000:1064]


def test_all_of_a_file_is_no_answer_to_a_range(stand: Stand, net: Internet) -> None:
    """R144."""
    stand.faults.append(Fault("file", ignores_range=True))
    with pytest.raises(Unreachable, match="ranges are ignored"):
        net.read(Ask("https://host/file", 0, 10))


def test_a_part_beyond_the_end_is_no_answer(net: Internet) -> None:
    with pytest.raises(Unreachable, match="shorter than its inventory"):
        net.read(Ask("https://host/file", len(DATA) - 10, 20))


def test_an_answer_that_breaks_off_is_none(stand: Stand, net: Internet) -> None:
    stand.faults.append(Fault("file", cut=5))
    with pytest.raises(Unreachable):
        net.read(Ask("https://host/file", 0, 100))
    with pytest.raises(Unreachable):
        net.read(Ask("https://host/file"))


def test_more_than_the_limit_is_not_read(net: Internet) -> None:
    with pytest.raises(Unreachable, match="more than 1000 bytes"):
        net.read(Ask("https://host/file", limit=1000))


def test_redirects_are_followed_a_few_times(stand: Stand, net: Internet) -> None:
    stand.faults.append(Fault("old", status=302, headers={"Location": f"{stand.url}/host/file"}))
    assert net.read(Ask("https://host/old", 5, 5)).body == DATA[5:10]
    stand.faults.append(Fault("round", status=302, headers={"Location": f"{stand.url}/round"}))
    assert net.read(Ask("https://host/round")).status == 302
    assert stand.requests("round") == 4


def test_a_redirect_meets_the_guard_again(stand: Stand, net: Internet) -> None:
    target = "http://169.254.169.254/latest/meta-data"
    stand.faults.append(Fault("file", status=302, headers={"Location": target}))
    with pytest.raises(UrlRefused):
        net.read(Ask("https://host/file"))


def test_without_a_stand_in_only_https_to_public_places_is_read(stand: Stand) -> None:
    reader = Fetcher(Settings(database_url="x").source_rules())  # type: ignore[arg-type]
    with pytest.raises(UrlRefused):
        reader.read(Ask(f"{stand.url}/host/file"))
    with pytest.raises(UrlRefused):
        reader.read(Ask(f"https://127.0.0.1:{stand.port}/host/file"))
    assert isinstance(reader.rules, UrlRules)


def test_connections_are_kept_and_shared(stand: Stand, net: Internet) -> None:
    assert isinstance(net.reader, Fetcher)
    for n in range(10):
        net.read(Ask("https://host/file", n, 5))
    assert sum(map(len, net.reader._idle.values())) == 1
    start = threading.Barrier(4)

    def one(n: int) -> bytes:
        start.wait()
        return net.read(Ask("https://host/file", n, 3)).body

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(4))) == [DATA[n : n + 3] for n in range(4)]
    assert 1 <= sum(map(len, net.reader._idle.values())) <= 5


def test_a_connection_that_was_closed_while_idle_is_no_failure(stand: Stand, net: Internet) -> None:
    assert isinstance(net.reader, Fetcher)
    net.read(Ask("https://host/file", 0, 5))
    for kept in net.reader._idle.values():
        for connection in kept:
            assert connection.sock is not None
            connection.sock.shutdown(2)
    assert net.read(Ask("https://host/file", 5, 5)).body == DATA[5:10]


def test_reading_stops_when_the_task_should(net: Internet) -> None:
    class Stop(Exception):
        pass

    def check() -> None:
        raise Stop

    with pytest.raises(Stop):
        net.read(Ask("https://host/file", check=check))
