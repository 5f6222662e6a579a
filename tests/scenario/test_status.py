"""The status page as programs see it: who may look from where, what is answered in which form, tokens, sessions, probes, and `weir health`."""
import base64
import http.client
import json
import re
import signal
import socket
import stat
import threading
import time

import pytest

from judge.fc2 import CANARY
from judge.fc2_channel import Shape
from judge.fc2_run import CHANNEL, WatchRun, case, config  # noqa: F401
from judge.weir import FAILED, WHOLE, WRONG_USE, run, wait_until

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}
TOKEN = CANARY + "-token"
ANY = "0.0.0.0:0"


class Answer:
    def __init__(self, answer):
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def kind(self):
        return self.headers.get("Content-Type", "")

    def json(self):
        return json.loads(self.body)


class Door:
    """A watch's status page, asked by hand."""

    def __init__(self, watch):
        line = wait_until(lambda: next((line for line in watch.weir.stdout.splitlines() if line.startswith("http://")), None), 10, "the address")
        self.watch, self.port = watch, int(re.fullmatch(r"http://[\d.]+:(\d+)/", line)[1])

    def ask(self, path="/", method="GET", body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def bearer(self, path="/", token=TOKEN, **more):
        return self.ask(path, Authorization=f"Bearer {token}", **more)


@pytest.fixture
def opened(case):
    """watch(listen, *options) -> Door; all of them are stopped at the end."""
    runs = []

    def open_one(listen="127.0.0.1:0", *options, env=None):
        case.fake.channel(CHANNEL)
        watch = WatchRun(case, config(CHANNEL), listen=listen, options=options, env=env)
        watch.__enter__()
        runs.append(watch)
        return Door(watch)

    yield open_one
    for watch in runs:
        if watch.weir.process.poll() is None:
            watch.weir.signal(signal.SIGTERM)
            watch.weir.wait(8, WHOLE)
        watch.__exit__(None, None, None)


def is_status(answer):
    shown = answer.json()
    return answer.status == 200 and answer.kind == "application/json" and CHANNEL in shown["channels"] and shown["program"] == "weir fc2"


# ---------------------------------------------------------------- on this machine

def test_FC2_124_on_loopback_everything_is_there_for_everybody_of_this_machine(opened):
    door = opened()
    wait_until(lambda: CHANNEL in door.ask().json()["channels"], 10, "the channel")
    for path in ("/", "/nonsense", "/api/nonsense", "/status.json?x=1", "/debug"):
        answer = door.ask(path)
        assert is_status(answer), path
        assert answer.text.startswith('{\n  "channels": {\n    "') and answer.text.endswith("}\n"), "two blanks and a line end, as Go writes it"
    assert is_status(door.ask("/nonsense", Accept=BROWSER["Accept"])), "the page is at / alone"
    for method in ("POST", "PUT", "DELETE"):
        assert is_status(door.ask("/", method)), method
    head = door.ask(method="HEAD")
    assert head.status == 200 and head.body == b"" and head.kind == "application/json"
    assert door.ask("/health").text == "ok\n" and "weir_" in door.ask("/metrics").text
    assert door.ask("/debug/pprof/").status == 200 and b"weir" in door.ask("/debug/pprof/cmdline").body
    assert door.ask("/api/session").json() == {"signed_in": False}
    assert not (door.watch.case.inputs / "weir-status-token").exists(), "no token is made here"


def test_who_prefers_html_gets_the_page_and_its_files(opened):
    door = opened()
    page = door.ask(**BROWSER)
    assert page.status == 200 and page.kind == "text/html; charset=utf-8" and "Search channels" in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'") and "no-store" in page.headers["Cache-Control"]
    assert "Accept" in page.headers["Vary"]
    files = re.findall(r'(?:src|href)="(page/[^"]+)"', page.text)
    assert len(files) >= 5 and not re.search(r'(src|href)="(https?:)?//', page.text), "nothing comes from elsewhere"
    for file in files:
        answer = door.ask("/" + file)
        assert answer.status == 200 and answer.headers["X-Content-Type-Options"] == "nosniff", file
        assert door.ask("/" + file, If_None_Match=answer.headers["ETag"]).status == 304
    for path in ("/page/status/index.html", "/page/status/", "/page/nothing.js", "/page/..%2f..%2fetc/passwd"):
        assert door.ask(path).status in (400, 404), path
    assert is_status(door.ask(Accept="text/html;q=0.4, application/json"))


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example:80"}, {"Origin": "http://evil.example"}, {"Origin": "null"},
                                     {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, {"X_Forwarded_For": "203.0.113.7"}], ids=str)
def test_on_loopback_other_sites_and_false_names_stay_outside(opened, headers):
    door = opened()
    for path in ("/", "/api/status", "/metrics", "/debug/pprof/heap", "/nonsense"):
        answer = door.ask(path, **{**BROWSER, **headers})
        assert answer.status == 403 and CHANNEL not in answer.text, path
    assert door.ask("/health", **headers).status == 200, "a probe may come by any name"


# ---------------------------------------------------------------- off this machine

def check_closed(door, metrics=False):
    """Without a right: the sign-in page at /, health, and nothing else."""
    for headers in ({}, BROWSER, {"Accept": "application/json"}, {"Authorization": "Bearer wrong"}, {"Cookie": f"weir_status_{door.port}=x"}):
        for method in ("GET", "HEAD"):
            answer = door.ask(method=method, **headers)
            assert answer.status == 200 and answer.kind == "text/html; charset=utf-8" and CHANNEL not in answer.text, f"{headers}: probes stay green"
    assert "Token" in door.ask().text and "Content-Security-Policy" in door.ask().headers
    for path in ("/api/status", "/nonsense", "/debug/pprof/", "/debug/pprof/heap", *(() if metrics else ("/metrics",))):
        answer = door.ask(path)
        assert answer.status == 401 and "Bearer" in answer.headers["WWW-Authenticate"] and CHANNEL not in answer.text, path
    assert all("Basic" not in value for value in door.ask("/api/status").headers.get_all("WWW-Authenticate")), "the page would make the browser ask"
    assert door.ask(method="POST").status == 401
    assert door.ask("/health").text == "ok\n" and door.ask("/page/status/status.css").status == 200


def test_a_token_is_made_at_the_first_start_and_shown_once(opened, case):
    door = opened(ANY)
    link = door.watch.weir.wait_for_line("#token=", 10).strip()
    file = case.inputs / "weir-status-token"
    token = file.read_text().strip()
    assert link == f"http://127.0.0.1:{door.port}/#token={token}" and len(token) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    check_closed(door)
    assert is_status(door.bearer(token=token))
    door.watch.weir.signal(signal.SIGTERM)
    door.watch.weir.wait(8, WHOLE)
    assert (door.watch.weir.stdout + door.watch.weir.stderr).count(token) == 1
    again = opened(ANY)
    assert is_status(again.bearer(token=token)), "it stays the same"
    assert token not in again.watch.weir.stdout + again.watch.weir.stderr


def test_the_token_is_kept_in_the_state_folder_when_there_is_one(opened, case):
    door = opened(ANY, env={"XDG_STATE_HOME": str(case.inputs / "state")})
    assert is_status(door.bearer(token=(case.inputs / "state" / "weir" / "status-token").read_text().strip()))


def token_file(case):
    path = case.inputs / "given"
    path.write_text(TOKEN + "\n")
    return path


def test_every_way_to_bring_the_token(opened, case):
    door = opened(ANY, "--auth-token-file", token_file(case))
    check_closed(door)
    basic = base64.b64encode(f"anybody:{TOKEN}".encode()).decode()
    for path in ("/", "/api/status", "/metrics", "/debug/pprof/", "/nonsense"):
        assert door.bearer(path).status == 200 and door.ask(path, Authorization=f"Basic {basic}").status == 200
        assert door.ask(f"{path}?token={TOKEN}").status == 200
    assert is_status(door.bearer()) and "Search channels" in door.bearer(**BROWSER).text
    moved = door.ask(f"/?token={TOKEN}", **BROWSER)
    assert moved.status == 303 and moved.headers["Location"] == "/", "the token leaves the address"
    assert door.ask(Cookie=moved.headers["Set-Cookie"].partition(";")[0], Host="box.example").json()["channels"]


def test_signing_in_gives_a_cookie_that_is_not_the_token(opened, case):
    door = opened(ANY, env={"WEIR_TOKEN": TOKEN})
    origin = f"http://127.0.0.1:{door.port}"
    assert door.ask("/api/session", "POST", "wrong", Origin=origin).status == 401
    assert door.ask("/api/session", "POST", TOKEN, Origin="http://evil.example").status == 403, "nobody is signed in by another site"
    signed = door.ask("/api/session", "POST", TOKEN + "\n", Origin=origin)
    cookie = signed.headers["Set-Cookie"]
    assert signed.status == 204 and TOKEN not in cookie and "HttpOnly" in cookie and "SameSite=Strict" in cookie
    pair = cookie.partition(";")[0]
    assert door.ask("/api/status", Cookie=f"a=b; {pair}").status == 200 and door.ask("/api/session", Cookie=pair).json() == {"signed_in": True}
    assert "Search channels" in door.ask(Cookie=pair, **BROWSER).text
    assert door.ask("/api/status", Cookie=pair, Origin="http://evil.example").status == 403
    assert door.ask("/api/status", Cookie=pair[:-2]).status == 401
    gone = door.ask("/api/session", "DELETE", Cookie=pair, Origin=origin).headers["Set-Cookie"]
    assert "Max-Age=0" in gone and gone.startswith(pair.partition("=")[0] + "=;")


def test_wrong_tokens_are_limited(opened, case):
    door = opened(ANY, "--auth-token-file", token_file(case))
    said = [door.ask("/api/session", "POST", f"guess {n}").status for n in range(30)]
    assert said[:10] == [401] * 10 and said.count(429) >= 15, said
    limited = door.bearer("/api/status")
    assert limited.status == 429 and int(limited.headers["Retry-After"]) > 0, "more are not even compared"
    assert door.ask("/health").status == 200 and door.ask("/api/status").status == 401


def test_auth_none_and_metrics_auth_none(opened, case):
    open_to_all = opened(ANY, "--auth", "none")
    assert is_status(open_to_all.ask(Host="box.example")) and open_to_all.ask("/metrics").status == 200
    assert "Search channels" in open_to_all.ask(**BROWSER).text and "#token" not in open_to_all.watch.weir.stderr
    assert open_to_all.ask(Origin="http://evil.example").status == 403
    numbers = opened(ANY, "--metrics-auth", "none", "--auth-token-file", token_file(case))
    assert "weir_" in numbers.ask("/metrics", Host="box.example").text
    check_closed(numbers, metrics=True)


def test_no_token_is_shown_anywhere(opened, case):
    door = opened(ANY, "--auth-token-file", token_file(case), "--trace")
    basic = base64.b64encode(f"x:{TOKEN}".encode()).decode()
    pair = door.ask("/api/session", "POST", TOKEN).headers["Set-Cookie"].partition(";")[0]
    seen = [door.bearer(path, **more) for path in ("/", "/api/status", "/metrics", "/debug/pprof/cmdline") for more in ({}, BROWSER)]
    seen += [door.ask(f"/x?token={TOKEN}"), door.ask(f"/x?token={TOKEN}wrong"), door.ask("/", Authorization=f"Basic {basic}")]
    seen += [door.ask("/api/status", Cookie=pair), door.ask("/debug/pprof/cmdline", Cookie=pair)]
    door.watch.weir.signal(signal.SIGTERM)
    door.watch.weir.wait(8, WHOLE)
    shown = door.watch.weir.stdout + door.watch.weir.stderr
    for text in (shown, *(answer.body.decode("utf-8", "replace") + str(answer.headers) for answer in seen)):
        for secret in (TOKEN, basic, pair.partition("=")[2]):
            assert secret not in text


@pytest.mark.parametrize("options, says", [(("--auth", "some"), "--auth some: token or none"), (("--metrics-auth", "x"), "--metrics-auth"),
                                           (("--auth-token-file", "/nowhere/file"), "--auth-token-file"), (("--pprof.listen-address", "nonsense"), "HOST:PORT")], ids=str)
def test_wrong_options_are_one_line(case, options, says):
    (case.inputs / "config.yaml").write_text(json.dumps(config(CHANNEL)))
    with case.run("fc2", "watch", "-c", case.inputs / "config.yaml", *options) as weir:
        weir.wait(10, WRONG_USE)
    assert says in weir.check_one_clear_line()


def test_a_port_that_is_taken_is_told(case):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with WatchRun(case, config(CHANNEL), listen=f"127.0.0.1:{taken.getsockname()[1]}") as watch:
            watch.weir.wait(10, FAILED)
    assert "--pprof.listen-address" in watch.weir.check_one_clear_line()


# ---------------------------------------------------------------- while things happen

def test_many_readers_while_channels_come_go_and_are_recorded(case):
    names = [str(n) for n in range(201, 209)]
    lives = [case.fake.channel(name).begin(Shape(seconds=8)) for name in names]
    other = [str(n) for n in range(301, 309)]
    for name in other:
        case.fake.channel(name)
    with WatchRun(case, config(*names)) as watch:
        door, over, wrong, seen, asked = Door(watch), threading.Event(), [], set(), []

        def read(path):
            while not over.is_set():
                answer = door.ask(path)
                asked.append(path)
                try:
                    states = {channel["state"] for channel in answer.json()["channels"].values()}
                except ValueError:
                    wrong.append(answer.body[:200])
                else:
                    seen.update(states)
                    if answer.status != 200:
                        wrong.append(answer.status)

        readers = [threading.Thread(target=read, args=(path,)) for path in ("/", "/api/status", "/x", "/", "/api/status", "/x")]
        for reader in readers:
            reader.start()
        watch.wait_for_state("DOWNLOADING", names[0])
        for turn in range(4):
            watch.replace(config(*names, *(other if turn % 2 == 0 else [])))
            time.sleep(0.4)
        wait_until(lambda: all((case.folder / f"{name}.mp4").exists() for name in names), 60, "the files")
        watch.wait_for_state("IDLE", names[0])
        over.set()
        for reader in readers:
            reader.join()
        watch.weir.signal(signal.SIGTERM)
        watch.weir.wait(8, WHOLE)
    assert wrong == [] and {"IDLE", "DOWNLOADING"} <= seen and len(asked) > 100
    for name, live in zip(names, lives):
        case.exact(live, watch.weir, name=name, alone=False)


# ---------------------------------------------------------------- weir health

def test_health_finds_a_healthy_weir(opened, tmp_path):
    for door in (opened(), opened(ANY)):
        for url in (f"http://127.0.0.1:{door.port}", f"http://127.0.0.1:{door.port}/", f"127.0.0.1:{door.port}", f"http://localhost:{door.port}/health",
                    f"http://127.0.0.1:{door.port}/metrics?a=b"):
            expect = FAILED if "metrics" in url and door.watch.weir.argv[-1] == ANY else WHOLE
            told = run("health", url, cwd=tmp_path, expect=expect, env={"http_proxy": "http://127.0.0.1:9"})
            assert expect == FAILED or told.stdout == "healthy\n"
        for listen in (f":{door.port}", f"0.0.0.0:{door.port}", f"127.0.0.1:{door.port}"):
            run("health", cwd=tmp_path, expect=WHOLE, env={"PPROF_LISTEN_ADDRESS": listen})


def test_health_says_in_one_line_that_it_is_not(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        late = run("health", "--timeout", "500ms", address, cwd=tmp_path, expect=FAILED)
        assert time.monotonic() - begun < 4
        assert "not healthy" in late.check_one_clear_line()
    assert "not healthy" in run("health", f"http://{address}", cwd=tmp_path, expect=FAILED).check_one_clear_line()
    for wrong in (["ftp://x"], ["http://127.0.0.1:1", "--timeout", "soon"], ["http://127.0.0.1:1", "--timeout", "0"], ["http://["]):
        run("health", *wrong, cwd=tmp_path, expect=WRONG_USE).check_one_clear_line()
    assert "port 0" in run("health", cwd=tmp_path, expect=WRONG_USE, env={"PPROF_LISTEN_ADDRESS": ":0"}).check_one_clear_line()
    assert "Examples" in run("health", "--help", cwd=tmp_path, expect=WHOLE).stdout
