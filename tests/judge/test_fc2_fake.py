"""The fake FC2 behaves as the facts say, before anything is judged by it."""
import http.client
import json
import time
from urllib.parse import quote, urlencode, urlsplit

import pytest

from judge import faults, websocket
from judge.fc2 import CANARY, Fc2
from judge.fc2_channel import EPOCH, Shape, comment, known_segments
from judge.fc2_socket import CLOSE_1000, CUTS, FIN, RST
from judge.origin import TestCa
from judge.units import AUDIO, VIDEO, of_kind

CHANNEL = "91544481"
FAST = Shape(pace=0.02, seconds=20)


@pytest.fixture
def fake():
    with Fc2() as made:
        yield made


def ask(fake, path, form=None, cookie="", host="127.0.0.1"):
    connection = http.client.HTTPConnection("127.0.0.1", fake.port, timeout=10)
    headers = {"Host": f"{host}:{fake.port}", **({"Cookie": cookie} if cookie else {})}
    body = None
    if form is not None:
        body, headers["Content-Type"] = urlencode(form), "application/x-www-form-urlencoded"
    connection.request("POST" if form is not None else "GET", path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text


def member(fake, channel=CHANNEL, cookie=""):
    return json.loads(ask(fake, "/api/memberApi.php", {"channel": 1, "profile": 1, "user": 1, "streamid": channel}, cookie)[1])["data"]


def control(fake, channel=CHANNEL, orz="", cookie=""):
    version = member(fake, channel)["channel_data"]["version"]
    form = {"channel_id": channel, "mode": "play", "orz": orz, "channel_version": version, "client_version": "2.2.1  [1]", "client_type": "pc",
            "client_app": "browser_hls", "ipv6": ""}
    return json.loads(ask(fake, "/api/getControlServer.php", form, cookie)[1])


class Viewer:
    """A minimal FC2 client."""

    def __init__(self, fake, channel=CHANNEL, orz="", cookie=""):
        told = control(fake, channel, orz, cookie)
        parts = urlsplit(told["url"])
        self.socket = websocket.connect(fake.port, f"{parts.path}?control_token={quote(told['control_token'])}")
        self.number = 0

    def next(self):
        return json.loads(self.socket.read(timeout=5)[1])

    def until(self, name):
        while (message := self.next())["name"] != name:
            pass
        return message

    def send(self, name):
        self.number += 1
        self.socket.send_text(json.dumps({"name": name, "arguments": {}, "id": self.number}))

    def playlists(self):
        self.send("get_hls_information")
        lists = self.until("_response_")["arguments"]
        return {p["mode"]: urlsplit(p["url"]).path + "?" + urlsplit(p["url"]).query
                for name in ("playlists", "playlists_high_latency", "playlists_middle_latency") for p in lists[name]}


def addresses(text):
    return [line for line in text.decode().splitlines() if line and not line.startswith("#")]


def test_an_offline_and_an_unknown_channel_have_the_same_shape(fake):
    fake.channel(CHANNEL)
    known, unknown = member(fake), member(fake, "1")
    assert known.keys() == unknown.keys() and known["channel_data"]["is_publish"] == unknown["channel_data"]["is_publish"] == 0


def test_a_live_is_told_by_both_ways_and_its_title_is_escaped(fake):
    fake.channel(CHANNEL, name="N").begin(FAST, title="a & b")
    fake.channel("2", adult=True).begin(FAST)
    told = member(fake)["channel_data"]
    assert told["is_publish"] == 1 and told["title"] == "a &amp; b"
    assert [c["id"] for c in json.loads(ask(fake, "/contents/allchannellist.php")[1])["channel"]] == [CHANNEL]
    assert [c["id"] for c in json.loads(ask(fake, "/adult/contents/allchannellist.php")[1])["channel"]] == ["2"]


def test_a_whole_live_is_handed_out_through_the_socket(fake):
    live = fake.channel(CHANNEL).begin(Shape(pace=0.02, seconds=20, window=40), qualities=["3Mbps", "1.2Mbps"])
    viewer = Viewer(fake)
    assert viewer.next()["name"] == "initial_connect"
    lists = viewer.playlists()
    assert sorted(lists) == [0, 1, 2, 30, 31, 32, 50, 51, 52]
    first = addresses(ask(fake, lists[52])[1])
    second = addresses(ask(fake, lists[52])[1])
    assert urlsplit(first[0]).hostname != urlsplit(second[0]).hostname
    assert urlsplit(first[0]).query == urlsplit(second[0]).query and f"time={EPOCH + 118606}" in first[0]
    assert viewer.until("publish_stop") and member(fake)["channel_data"]["is_publish"] == 0
    last = addresses(ask(fake, lists[52])[1])
    bodies = [ask(fake, urlsplit(a).path + "?" + urlsplit(a).query)[1] for a in last]
    assert bodies == [h.segment.body for h in live.truth()] and len(bodies) == 20
    assert len(live.listed) == 20


def test_qualities_share_their_timeline_and_no_byte(fake):
    low, high = known_segments(30)[3], known_segments(50)[3]
    a, b = of_kind(low.units, VIDEO), of_kind(high.units, VIDEO)
    assert [u.pts for u in a] == [u.pts for u in b] and not {u.digest for u in a} & {u.digest for u in b}


def test_a_quality_may_appear_later(fake):
    live = fake.channel(CHANNEL).begin(FAST, qualities=["1.2Mbps"])
    viewer = Viewer(fake)
    assert 52 not in viewer.playlists()
    live.add_quality("3Mbps")
    assert 52 in viewer.playlists()


def test_FC2_22_without_a_socket_or_heartbeats_playlists_are_refused():
    with Fc2(grace=0, heartbeat_limit=0.5) as fake:
        fake.channel(CHANNEL).begin(Shape(stays=True))
        viewer = Viewer(fake)
        address = viewer.playlists()[52]
        assert ask(fake, address)[0] == 200
        time.sleep(0.6)
        assert ask(fake, address)[0] == 403
        viewer.send("heartbeat")
        assert viewer.until("_response_")["id"] == 2 and ask(fake, address)[0] == 200
        viewer.socket.close()
        time.sleep(0.2)
        assert ask(fake, address)[0] == 403


def test_wrong_secrets_hashes_and_tokens_are_refused(fake):
    fake.channel(CHANNEL).begin(FAST)
    viewer = Viewer(fake)
    address = viewer.playlists()[52]
    assert ask(fake, address + "x")[0] == 403
    segment = urlsplit(addresses(ask(fake, address)[1])[0])
    assert ask(fake, segment.path + "?" + segment.query + "0")[0] == 403
    with pytest.raises(websocket.Refused):
        websocket.connect(fake.port, f"/control/channels/{CHANNEL}?control_token=nonsense")


def test_what_may_not_be_shown_is_marked(fake):
    fake.channel(CHANNEL).begin(FAST)
    assert CANARY in control(fake)["control_token"] and CANARY in control(fake)["orz"]
    assert CANARY in Viewer(fake).playlists()[52]


@pytest.mark.parametrize("how", [c for c in CUTS if c != "silent"])
def test_a_socket_is_cut_as_told(fake, how):
    channel = fake.channel(CHANNEL)
    channel.begin(FAST)
    viewer = Viewer(fake)
    viewer.until("user_count")
    channel.sessions()[0].cut(how)
    with pytest.raises(websocket.Closed) as caught:
        viewer.next()
    assert caught.value.code == {CLOSE_1000: 1000, FIN: None, RST: None}[how]
    assert ("reset" in str(caught.value).lower()) == (how == RST)


def test_refusals_come_as_codes(fake):
    channel = fake.channel(CHANNEL, needs_login=True)
    channel.begin(FAST)
    fake.login("someone", "secret")
    assert Viewer(fake).until("control_disconnection")["arguments"] == {"code": 4507}
    assert 52 in Viewer(fake, cookie="fcus=secret").playlists()
    channel.needs_login, channel.refuse_code = False, 4101
    assert Viewer(fake).until("control_disconnection")["arguments"] == {"code": 4101}


def test_one_viewer_twice_is_4512_when_so_told():
    with Fc2(one_per_viewer=True) as fake:
        fake.channel(CHANNEL).begin(FAST)
        first = Viewer(fake, orz="ab")
        first.playlists()
        assert Viewer(fake, orz="ab").until("control_disconnection")["arguments"] == {"code": 4512}
        assert 52 in Viewer(fake, orz="cd").playlists()


def test_comments_and_their_history(fake):
    channel = fake.channel(CHANNEL, history=[comment("earlier", history=1)])
    channel.begin(FAST)
    viewer = Viewer(fake)
    assert viewer.until("comment")["arguments"]["comments"][0]["history"] == 1
    channel.comment(comment("now"))
    assert viewer.until("comment")["arguments"]["comments"][0]["comment"] == "now"


def test_faults_hit_what_they_name(fake):
    for number in (CHANNEL, "2"):
        fake.channel(number).begin(FAST)
    fault = fake.fault(faults.status(503), kind="member", channel="2")
    assert member(fake)["channel_data"]["is_publish"] == 1
    assert ask(fake, "/api/memberApi.php", {"streamid": "2"})[0] == 503 and fault.hits == 1
    fake.fault(faults.status(403), kind="socket")
    with pytest.raises(websocket.Refused):
        Viewer(fake)


def test_too_many_questions_are_answered_with_503():
    with Fc2(api_limit=5) as fake:
        answers = [ask(fake, "/api/memberApi.php", {"channel": 1, "profile": 1, "user": 1, "streamid": "1"})[0] for _ in range(8)]
    assert answers == [200] * 5 + [503] * 3


def test_sound_alone_is_the_sound_of_the_others():
    alone, both = ([u.digest for s in known_segments(code) for u in of_kind(s.units, AUDIO)] for code in (90, 50))
    assert alone == both and len(known_segments(90)) >= 60


def test_a_login_is_seen_on_both_pages(fake):
    fake.login("someone", "secret")
    assert ask(fake, "/login/")[0] == 302
    assert b"nickname" in ask(fake, "/login/", cookie="fcus=secret", host="localhost")[1]
    assert b"logout" in ask(fake, "/", cookie="fcus=secret")[1] and b"logout" not in ask(fake, "/")[1]


def test_it_can_be_down_and_come_back(fake):
    fake.channel(CHANNEL)
    fake.refuse_all()
    with pytest.raises(OSError):
        member(fake)
    fake.come_back()
    assert member(fake)


def test_it_speaks_tls(tmp_path):
    import ssl
    with Fc2(tls=TestCa(tmp_path)) as fake:
        context = ssl.create_default_context(cafile=fake.env["SSL_CERT_FILE"])
        connection = http.client.HTTPSConnection("localhost", fake.port, timeout=10, context=context)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
