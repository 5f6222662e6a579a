"""Viewer tokens end to end (SC-15 to SC-18, SC-21 to SC-23), made by weir and by Python alike, and every door over TLS."""
import base64
import hashlib
import hmac
import http.client
import json
import os
import socket
import ssl
import subprocess
import time

import pytest

from judge import websocket
from judge.relay_load import Numbered, RelayRun, Viewer
from judge.weir import run, wait_until
from judge.websocket import BINARY, TEXT, Closed, Refused, connect

SECRET, AUDIENCE = "a-secret-of-the-lab", "https://relay.lab"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(claims, secret=SECRET, algorithm="HS256"):
    head, body = (base64url(json.dumps(part).encode()) for part in ({"alg": algorithm, "typ": "JWT"}, claims))
    return f"{head}.{body}.{base64url(hmac.new(secret.encode(), f'{head}.{body}'.encode(), hashlib.sha256).digest())}"


def claims(topic="lab", scopes=("read", "write"), life=60, early=5, **more):
    now = int(time.time())
    return {"aud": [AUDIENCE], "iat": now - early, "nbf": now - early, "exp": now + life, "topic": topic, "prefix": "session", "scopes": list(scopes), "booking_id": "b1", **more}


def crossbar(path, life=60, early=5, **more):
    now = int(time.time())
    return {"aud": AUDIENCE + path, "iat": now - early, "nbf": now - early, "exp": now + life, **more}


@pytest.fixture(scope="module")
def relay(tmp_path_factory):
    options = ["--viewer-secret", SECRET, "--audience", AUDIENCE, "--admin-token", "admin"]
    with RelayRun(*options, secrets=["admin"], cwd=tmp_path_factory.mktemp("relay")) as made:
        yield made


def exchange(relay, token, topic="lab", scheme=""):
    status, _, text = relay.request("POST", f"/session/{topic}", headers={"Authorization": scheme + token} if token is not None else {"Authorization": ""})
    return status, json.loads(text)


def session(relay, token, topic="lab"):
    """The one-time code's path."""
    status, answer = exchange(relay, token, topic)
    assert status == 200, answer
    return answer["uri"].split("/", 3)[3].join(["/", ""])


def quiet(sock, seconds=0.3):
    with pytest.raises(TimeoutError):
        sock.read(timeout=seconds)


def refusal(relay, path, headers=()):
    with pytest.raises(Refused) as refused:
        relay.watch(path, headers=headers)
    assert refused.value.body.count(b"\n") <= 1 and SECRET.encode() not in refused.value.body
    return refused.value.status, refused.value.body.decode()


# ---- SC-15: the exchange

def test_SC_15_a_good_token_becomes_the_address_of_the_websocket(relay):
    for scheme in ("", "Bearer "):
        status, answer = exchange(relay, jwt(claims()), scheme=scheme)
        assert status == 200 and answer["uri"].startswith(f"ws://127.0.0.1:{relay.port}/session/lab?code=")


BAD = {
    "none": (None, 401, "unauthenticated"), "nonsense": ("nonsense", 401, "invalid number of segments"), "expired": (jwt(claims(life=-5)), 401, "expired"),
    "too early": (jwt(claims(early=-100)), 401, "not valid yet"), "another key": (jwt(claims(), "other"), 401, "signature is invalid"),
    "another audience": (jwt(claims(aud=["https://other"])), 403, "does not match this host"), "another topic": (jwt(claims("other")), 403, "Token Wrong Topic"),
    "no scopes": (jwt(claims(scopes=[])), 403, "Token Missing Required Claims"), "no booking": (jwt(claims(booking_id="")), 403, "empty bookingID"),
    "no algorithm": (jwt(claims(), algorithm="none"), 401, ""), "unsigned": (jwt(claims(), algorithm="none").rsplit(".", 1)[0] + ".", 401, ""),
    "stats alone": (jwt(claims(scopes=["relay:stats"])), 403, "Token Missing Required Claims"), "another way in": (jwt(claims(prefix="shell")), 403, "Token Wrong Topic"),
}


@pytest.mark.parametrize("kind", BAD)
def test_SC_15_CB_3_any_other_token_is_refused_with_its_reason(relay, kind):
    token, wanted, reason = BAD[kind]
    status, answer = exchange(relay, token)
    assert (status, answer["code"]) == (wanted, wanted) and reason in answer["message"], answer
    if token and kind != "no booking":  # that is asked for by practable's exchange alone
        for path in ("/session/lab", "/ws/lab"):
            assert refusal(relay, f"{path}?token={token}")[0] in (401, 403)


def test_SC_15_status_and_deny_list_ask_for_their_scopes(relay):
    for path, scope in (("/status", "relay:stats"), ("/bids/deny", "relay:admin"), ("/bids/allow", "relay:admin")):
        for given, wanted in ((jwt(claims(scopes=[scope])), 200), (jwt(claims()), 403), ("nonsense", 401), (jwt(claims(scopes=[scope], life=-1)), 401)):
            assert relay.request("GET", path, headers={"Authorization": "Bearer " + given})[0] == wanted, (path, given)


# ---- SC-16 to SC-18: sessions

def test_SC_16_two_clients_with_one_token_chat_both_ways(relay):
    token = jwt(claims())
    with relay.watch(session(relay, token)) as a, relay.watch(session(relay, token)) as b:
        for one, other, text in ((a, b, "to b"), (b, a, "to a")):
            one.send_text(text)
            assert other.read() == (TEXT, text.encode())
        quiet(a)
        quiet(b)


def test_SC_16_SC_17_SC_18_a_code_is_good_once_and_for_its_topic_alone(relay):
    path = session(relay, jwt(claims()))
    relay.watch(path).close()
    assert refusal(relay, path)[0] == 401
    other = session(relay, jwt(claims()))
    assert refusal(relay, other.replace("/lab?", "/other?"))[0] in (401, 403)
    assert refusal(relay, other)[0] in (401, 403), "a code that was tried elsewhere is used up"
    assert refusal(relay, "/session/lab?code=00000000-0000-4000-8000-000000000000")[0] == 401
    assert len({session(relay, jwt(claims())) for _ in range(50)}) == 50


def test_SC_17_read_only_writes_nothing_and_write_only_hears_nothing(relay):
    paths = [session(relay, jwt(claims(scopes=scopes))) for scopes in (["read"], ["write"], ["read", "write"])]
    reader, writer, both = (relay.watch(path) for path in paths)
    for sock, text in ((writer, "of the writer"), (both, "of both")):
        sock.send_text(text)
        assert reader.read() == (TEXT, text.encode())
    assert both.read() == (TEXT, b"of the writer")
    try:
        reader.send_text("forbidden")
    except OSError:
        pass
    quiet(both)
    quiet(writer)
    for sock in (reader, writer, both):
        sock.abort()


@pytest.mark.parametrize("door", ["/session/lab", "/ws/lab", "/live/lab.ts"])
def test_SC_17_PR_13_expiry_cuts_a_live_connection_and_says_so(relay, door):
    token = jwt(claims(life=2))
    if door.startswith("/live"):
        with socket.create_connection(("127.0.0.1", relay.port), 10) as sock:
            sock.sendall(f"GET {door}?token={token} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            sock.settimeout(10)
            got = b""
            while piece := sock.recv(4096):
                got += piece
            assert got.startswith(b"HTTP/1.1 200")
        return
    with relay.watch(f"{door}?token={token}") as sock, pytest.raises(Closed) as closed:
        sock.read(timeout=10)
    assert closed.value.code == 4401
    assert refusal(relay, f"{door}?token={token}")[0] == 401


def test_PR_14_SC_16_the_deny_list_cuts_at_once_and_allow_undoes_it(relay):
    admin = {"Authorization": "Bearer " + jwt(claims(scopes=["relay:admin"]))}
    token, other = jwt(claims(booking_id="to-cut")), jwt(claims(booking_id="to-stay"))
    unused = session(relay, token)
    socks = [relay.watch(session(relay, token)), relay.watch(f"/ws/lab?token={token}"), relay.watch(session(relay, other))]
    until = int(time.time()) + 100
    assert relay.request("POST", f"/bids/deny?bid=to-cut&exp={until}", headers=admin)[0] == 204
    for sock in socks[:2]:
        with pytest.raises(Closed) as closed:
            sock.read(timeout=5)
        assert closed.value.code == 1008
    assert exchange(relay, token)[0] == 403 and "deny-listed" in exchange(relay, token)[1]["message"]
    assert refusal(relay, unused)[0] in (401, 403)
    listed = lambda which: json.loads(relay.request("GET", f"/bids/{which}", headers=admin)[2])["booking_ids"]
    assert listed("deny") == ["to-cut"]
    quiet(socks[2])
    assert relay.request("POST", f"/bids/allow?bid=to-cut&exp={until}", headers=admin)[0] == 204
    assert listed("deny") == [] and listed("allow") == ["to-cut"]
    relay.watch(session(relay, token)).close()
    for sock in socks:
        sock.abort()
    for query in ("", "?bid=x", f"?bid=&exp={until}", "?bid=x&exp=5", "?bid=x&exp=soon"):
        assert relay.request("POST", "/bids/deny" + query, headers=admin)[0] == 400


# ---- SC-21 to SC-23: crossbar

def first_message(relay, path, token):
    sock = relay.watch(path)
    sock.send_text(token)
    kind, answer = sock.read()
    answer = json.loads(answer)
    assert kind == TEXT and answer["topic"] == path and token not in json.dumps(answer)
    return sock, answer


def test_SC_21_CB_3_refusals_say_exactly_why_and_no_data_comes(relay):
    with relay.watch("/ws/x?token=" + jwt(crossbar("/ws/x"))) as sender:
        for token, reason in ((jwt(crossbar("/out/x", life=-5)), "Error reading token Token is expired"), (jwt(crossbar("/out/x", early=-100)), "Error reading token Token is not valid yet"),
                              ("nonsense", "Error reading token token contains an invalid number of segments"),
                              (jwt(crossbar("/out/y")), f"Denied - not permitted to access {AUDIENCE}/out/x with token for {AUDIENCE}/out/y"),
                              (jwt(crossbar("/in/x")), f"Denied - not permitted to access {AUDIENCE}/out/x with token for {AUDIENCE}/in/x")):
            sock, answer = first_message(relay, "/out/x", token)
            assert (answer["authorised"], answer["reason"]) == (False, reason)
            sender.send_text("secret data")
            with pytest.raises(Closed) as closed:
                sock.read(timeout=5)
            assert closed.value.code == 1008
        with relay.watch("/out/x") as silent:  # no token yet: nothing is delivered
            sender.send_text("secret data")
            quiet(silent)


def test_SC_22_in_goes_to_every_out_and_nothing_comes_back(relay):
    outs = [first_message(relay, "/out/one", jwt(crossbar("/out/one"))) for _ in range(2)]
    into, answer = first_message(relay, "/in/one", jwt(crossbar("/in/one")))
    assert answer["authorised"] and all(a["authorised"] and a["reason"] == "ok" for _, a in outs)
    for i in range(10):
        into.send_binary(b"%d" % i)
    for sock, _ in outs:
        assert [sock.read() for _ in range(10)] == [(BINARY, b"%d" % i) for i in range(10)]
    try:
        outs[0][0].send_text("back")
    except OSError:
        pass
    for sock in (into, outs[1][0]):
        quiet(sock)
        sock.abort()
    outs[0][0].abort()


def test_SC_23_bidirectional_each_once_to_every_other_and_never_to_the_sender(relay):
    socks = [first_message(relay, "/bi/chat", jwt(crossbar("/bi/chat")))[0] for _ in range(5)]
    for i, sock in enumerate(socks):
        sock.send_text(str(i))
        for other in socks:
            if other is not sock:
                assert other.read() == (TEXT, str(i).encode())
    for sock in socks:
        quiet(sock, 0.1)
        sock.abort()


# ---- weir's own tokens

def test_PR_24_weirs_own_tokens_are_what_the_doors_take(relay, tmp_path):
    (tmp_path / "key").write_text(SECRET + "\n")
    made = lambda *options: run("relay", "token", "--secret-file", "key", *options, cwd=tmp_path, expect=0).stdout.strip()
    token = made("--topic", "lab", "--audience", AUDIENCE, "--lifetime", "60", "--booking-id", "b", "--no-write")
    part = token.split(".")[1]
    told = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert told["topic"] == "lab" and told["scopes"] == ["read"] and told["aud"] == [AUDIENCE] and 50 <= told["exp"] - time.time() <= 61
    assert jwt(claims()).split(".")[0].count(".") == 0 and token.count(".") == 2
    with relay.watch(session(relay, token)) as reader, relay.watch(f"/ws/lab?token={made('--topic', 'lab', '--audience', AUDIENCE, '--lifetime', '1m', '--no-read')}") as writer:
        writer.send_text("hello")
        assert reader.read() == (TEXT, b"hello")
    _, answer = first_message(relay, "/in/y", made("--audience", AUDIENCE + "/in/y", "--lifetime", "1m"))
    assert answer["authorised"], answer
    again = run("relay", "token", "--topic", "x", "--lifetime", "1h", cwd=tmp_path, env={"RELAY_TOKEN_SECRET": SECRET}, expect=0)
    assert again.stdout.count(".") == 2
    run("relay", "token", "--topic", "x", "--lifetime", "1h", cwd=tmp_path, expect=2).check_one_clear_line()


# ---- TLS

def make_certificate(folder, name, days=10):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", str(days), "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"], check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    for name in ("first", "second"):
        make_certificate(folder, name)
    return folder


def trusting(path):
    context = ssl.create_default_context(cafile=str(path))
    return context


def use(folder, certificates, name):
    for kind in ("crt", "key"):
        new = folder / f"new.{kind}"
        new.write_bytes((certificates / f"{name}.{kind}").read_bytes())
        os.replace(new, folder / f"used.{kind}")


def test_every_door_speaks_TLS_and_a_renewed_certificate_is_used_for_new_connections(tmp_path, certificates):
    use(tmp_path, certificates, "first")
    with RelayRun("--tls-cert", "used.crt", "--tls-key", "used.key", "--push-secret", "s", cwd=tmp_path) as relay:
        assert relay.stdout.startswith("https://")
        url, trust = f"https://localhost:{relay.port}", trusting(certificates / "first.crt")
        stream = Numbered()
        body = b"".join(stream.frame(i) for i in range(48))
        (tmp_path / "body.ts").write_bytes(body)
        viewer = Viewer(relay, "/ws/video0", stream, tls=trust)
        curl = ["curl", "--noproxy", "*", "-sS", "--cacert", certificates / "first.crt", "--max-time", "20"]
        pushed = subprocess.run([*curl, "-T", "body.ts", "-H", "Transfer-Encoding: chunked", "-w", "%{http_code}", f"{url}/ts/video0?token=s"], cwd=tmp_path, capture_output=True, text=True)
        assert pushed.stdout == "200", pushed.stderr
        viewer.wait_for(stream.end_of_frames(48))
        viewer.checker.assert_whole(stream.end_of_frames(48))
        connection = http.client.HTTPSConnection("localhost", relay.port, context=trust, timeout=10)
        connection.request("GET", "/api/stats")
        assert json.loads(connection.getresponse().read())["topics"][0]["name"] == "video0"
        connection.close()

        with socket.create_connection(("127.0.0.1", relay.port), 10) as plain:  # who forgot the s
            plain.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            plain.settimeout(10)
            assert not plain.recv(1000).startswith(b"HTTP/1.1 200")

        time.sleep(1.1)  # a file's time stamp of another second
        use(tmp_path, certificates, "second")
        renewed = trusting(certificates / "second.crt")

        def new_one():
            try:
                connect(relay.port, "/ws/video0", tls=renewed).close()
                return True
            except ssl.SSLError:
                return False

        wait_until(new_one, 15, "the new certificate", 0.2)
        with pytest.raises(ssl.SSLError):
            connect(relay.port, "/ws/video0", tls=trust)
        more = b"".join(stream.frame(i) for i in range(48, 96))
        connection = http.client.HTTPSConnection("localhost", relay.port, context=renewed, timeout=10)
        connection.request("POST", "/ts/video0?token=s", more)
        assert connection.getresponse().status == 200
        connection.close()
        viewer.wait_for(stream.end_of_frames(96))  # the old connection lives on
        viewer.leave()


@pytest.mark.parametrize("certificate, key", [("first.crt", "second.key"), ("first.crt", "first.crt"), ("missing.crt", "first.key"), ("first.key", "first.key")])
def test_a_wrong_certificate_or_key_is_one_clear_line(tmp_path, certificates, certificate, key):
    weir = run("relay", "--port", "0", "--tls-cert", certificates / certificate, "--tls-key", certificates / key, cwd=tmp_path, seconds=10)
    assert weir.process.returncode in (1, 2)
    line = weir.check_one_clear_line()
    assert ".crt" in line or ".key" in line


def test_a_certificate_without_its_key_is_wrong_use(tmp_path, certificates):
    weir = run("relay", "--port", "0", "--tls-cert", certificates / "first.crt", cwd=tmp_path, seconds=10, expect=2)
    assert "--tls-key" in weir.check_one_clear_line()
