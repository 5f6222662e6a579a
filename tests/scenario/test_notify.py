"""Notifications: what leaves weir for every service, what a watch tells, and that none of it can hurt a recording (notify.md, FC2 section 9)."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from judge.fc2 import CANARY
from judge.fc2_channel import Shape
from judge.fc2_run import CHANNEL, WatchRun, case, config, segments_fetched  # noqa: F401
from judge.hooks import Answer, Hooks
from judge.origin import TestCa
from judge.weir import FAILED, WHOLE, WRONG_USE, run, wait_until

DATA = Path(__file__).resolve().parents[1] / "data" / "notify"
CASES = json.loads((DATA / "shoutrrr_requests.json").read_text())["cases"]
DIFFERENT = {(row["case"], row["send"]) for row in json.loads((DATA / "weir_differences.json").read_text())}


def recorded_hosts():
    urls = [request["url"] for one in CASES for send in one.get("sends", []) for request in send.get("requests") or []]
    return sorted({host for host in (urlsplit(url).hostname for url in urls) if host and not host.replace(".", "").isdigit()})


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return TestCa(tmp_path_factory.mktemp("ca"), recorded_hosts())


@pytest.fixture
def hooks(ca):
    with Hooks(ca) as made:
        yield made


def notify(*arguments, cwd, expect=WHOLE, **more):
    return run("notify", "test", *arguments, cwd=cwd, expect=expect, seconds=40, **more)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


# ---------------------------------------------------------------- the requests

def replayable():
    """Sends that a command line can ask for: a message, perhaps a title; and that weir makes as the reference does."""
    found = []
    for one in CASES:
        for number, send in enumerate(one.get("sends", [])):
            params = send.get("params") or {}
            if set(params) <= {"title"} and not send.get("error") and send.get("requests") and (one["name"], number) not in DIFFERENT:
                found.append((one, send))
                break
    return found


def rounds(rows):
    """Of one host one case at a time: the answer depends on the case."""
    left = list(rows)
    while left:
        taken, hosts = [], set()
        for row in left:
            own = {place_of(request["url"])[0] for request in row[1]["requests"]}
            key = (row[1]["message"], (row[1].get("params") or {}).get("title", ""))
            if not own & hosts and (not taken or key == taken[0][2]):
                taken.append((*row, key))
                hosts |= own
        left = [row for row in left if not any(row[0] is t[0] for t in taken)]
        yield taken


def body_of(text, headers, dynamic):
    kind = headers.get("content-type", "")
    if text[:1] in ("{", "["):
        tree = json.loads(text)
        for name in dynamic:
            if name.startswith("body."):
                tree.pop(name.removeprefix("body."), None)
        return tree
    return sorted(parse_qsl(text, keep_blank_values=True)) if "form-urlencoded" in kind or "sendPush" in kind else text


def shape_of(method, url, headers, body, dynamic):
    parts = urlsplit(url)
    path = re.sub("%([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), parts.path)
    if any("transaction id" in name for name in dynamic) and method == "PUT":
        path = path.rsplit("/", 1)[0]
    port = parts.port or {"https": 443, "http": 80}[parts.scheme]
    headers = {name.lower(): value for name, value in headers.items() if name.lower() != "user-agent"}
    return (method, parts.scheme, parts.hostname, port, path, sorted(parse_qsl(parts.query, keep_blank_values=True))), headers, body_of(body, headers, dynamic)


def place_of(url):
    parts = urlsplit(url)
    return parts.hostname, parts.port or {"https": 443, "http": 80}[parts.scheme]


def check_replayed(one, send, calls):
    dynamic, wanted = one.get("dynamic") or [], send["requests"]
    places = {place_of(request["url"]) for request in wanted}
    made = [call for call in calls if place_of(call.url) in places]
    assert len(made) == len(wanted), f"{one['name']}: {[call.url for call in made]}"
    for call, request in zip(made, wanted):
        line, headers, body = shape_of(request["method"], request["url"], request["headers"], request["body"] or "", dynamic)
        own_line, own_headers, own_body = shape_of(call.method, call.url, call.headers, call.body.decode(), dynamic)
        assert own_line == line and own_body == body, one["name"]
        assert {name: own_headers.get(name) for name in headers} == headers, one["name"]


def test_what_was_recorded_of_the_reference_leaves_weir(hooks, tmp_path):
    rows = replayable()
    schemes = {one["url"].split(":")[0].split("+")[0].lower() for one, _ in rows}
    assert len(rows) >= 35 and len(schemes) >= 19, (len(rows), sorted(schemes))
    for taken in rounds(rows):
        by_host = {urlsplit(request["url"]).hostname: one for one, send, _ in taken for request in send["requests"]}
        hooks.forget()
        hooks.answer = lambda call: Answer(by_host[call.host].get("reply_status") or 200, by_host[call.host].get("reply_body") or "{}")
        message, title = taken[0][2]
        ran = notify(*(one["url"] for one, _, _ in taken), "--title", title, "--message", message, cwd=tmp_path, expect=None, env=hooks.env)
        assert ran.process.returncode == WHOLE, f"{[one['name'] for one, _, _ in taken]}\n{ran.story()}"
        for one, send, _ in taken:
            check_replayed(one, send, hooks.calls())


def test_a_plain_gotify(hooks, tmp_path):
    url = f"gotify://127.0.0.1:{hooks.port}/A{CANARY}xxxx?disabletls=yes"
    ran = notify(url, "--title", "T", "--message", "M", "--priority", "8", cwd=tmp_path)
    call, = hooks.calls()
    assert call.url == f"http://127.0.0.1:{hooks.port}/message?token=A{CANARY}xxxx"
    assert (call.json["title"], call.json["message"], call.json["priority"]) == ("T", "M", 8)
    assert re.fullmatch(r"1 gotify: ok, \d+ ms\n", ran.stdout), ran.story()


def test_the_certificate_counts_unless_the_url_says_otherwise(ca, tmp_path):
    with Hooks(ca) as hooks:
        host = f"127.0.0.1:{hooks.port}/Aaaaaaaaaaaaaaa"
        ran = notify(f"gotify://{host}", f"gotify://{host}?insecureskipverify=yes", cwd=tmp_path, expect=FAILED, env={"SSL_CERT_FILE": "/dev/null"})
        assert len(hooks.calls()) == 1
    assert re.fullmatch(r"1 gotify: failed, \d+ ms: .*certificate.*\n2 gotify: ok, \d+ ms\n", ran.stdout), ran.story()


def test_each_failure_is_told_and_no_secret(hooks, tmp_path):
    hooks.answer = lambda call: Answer(404, json.dumps({"error": f"no {call.url} here", "errorCode": 404, "errorDescription": call.path}))
    urls = [f"gotify://127.0.0.1:{hooks.port}/sub{CANARY}/A{CANARY}xxxx?disabletls=yes", f"generic+http://127.0.0.1:{hooks.port}/{CANARY}?k={CANARY}",
            f"generic+http://u:{CANARY}@127.0.0.1:{free_port()}/"]
    ran = notify("--json", *urls, cwd=tmp_path, expect=FAILED)
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(row["number"], row["service"], row["ok"]) for row in rows] == [(1, "gotify", False), (2, "generic", False), (3, "generic", False)]
    assert "404" in rows[1]["why"] and "refused" in rows[2]["why"] and len(hooks.calls()) == 2
    assert CANARY not in ran.stdout + ran.stderr


@pytest.mark.parametrize("arguments, env, told", [
    (["nosuch://" + CANARY], {}, 'url 1: unknown service: "nosuch"'),
    (["logger://", f"gotify://{CANARY}"], {}, "url 2: gotify: "),
    (["logger://"], {"WEIR_CONNECT_TO": "discord.com"}, "WEIR_CONNECT_TO: entry 1 is not HOST:PORT:TO_HOST:TO_PORT"),
], ids=["service", "url", "detour"])
def test_wrong_use_is_one_clear_line(tmp_path, arguments, env, told):
    ran = notify(*arguments, cwd=tmp_path, expect=WRONG_USE, env=env)
    assert told in ran.check_one_clear_line() and CANARY not in ran.stderr


def test_no_url_on_standard_input_is_wrong_use(tmp_path):
    ran = notify("-", cwd=tmp_path, expect=WRONG_USE)
    assert "no url on standard input" in ran.check_one_clear_line()


def test_the_help_lists_services_and_examples(tmp_path):
    for words in (["notify", "--help"], ["notify", "test", "--help"]):
        text = run(*words, cwd=tmp_path, expect=WHOLE).stdout
        assert all(word in text for word in ("discord", "zulip", "weir notify test", "Exit codes")), text


# ---------------------------------------------------------------- mail and MQTT

@pytest.fixture
def mailbox(ca):
    controllers = pytest.importorskip("aiosmtpd.controller")
    from aiosmtpd.smtp import AuthResult
    envelopes = []

    class Handler:
        async def handle_DATA(self, server, session, envelope):
            envelopes.append((session.ssl is not None, session.auth_data, envelope))
            return "250 taken"

    def login(server, session, envelope, mechanism, data):
        right = (data.login, data.password) == (b"user", CANARY.encode())
        return AuthResult(success=right, handled=right, auth_data=data.login.decode() if right else None)

    controller = controllers.Controller(Handler(), hostname="127.0.0.1", port=free_port(), tls_context=ca.server_context(), require_starttls=True, server_hostname="mail.test",
                                        authenticator=login, auth_required=True, ready_timeout=20)
    controller.start()
    yield controller.port, envelopes
    controller.stop()


def test_mail_by_starttls_and_login(mailbox, ca, tmp_path):
    port, envelopes = mailbox
    url = f"smtp://user:{CANARY}@127.0.0.1:{port}/?from=weir@example.test&to=a@example.test,b@example.test&requirestarttls=yes"
    ran = notify(url, "--title", "Grüße", "--message", "eins\n.zwei\nünf", cwd=tmp_path, env={"SSL_CERT_FILE": str(ca.ca)})
    assert [e.rcpt_tos for _, _, e in envelopes] == [["a@example.test"], ["b@example.test"]], ran.story()
    for secure, who, envelope in envelopes:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert secure and who == "user" and envelope.mail_from == "weir@example.test"
        assert mail["Subject"] == "Grüße" and mail["To"] in envelope.rcpt_tos and mail["Message-ID"] and mail["Date"]
        assert mail.get_content().replace("\r\n", "\n").strip() == "eins\n.zwei\nünf"
    wrong = notify(url.replace(CANARY, CANARY + "wrong"), cwd=tmp_path, expect=FAILED, env={"SSL_CERT_FILE": str(ca.ca)})
    assert "failed" in wrong.stdout and CANARY not in wrong.stdout + wrong.stderr and len(envelopes) == 2


class Mosquitto:
    """A real broker with a user, in clear and by TLS."""

    def __init__(self, folder, ca):
        self.program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.plain, self.secure, self.ca = free_port(), free_port(), ca
        (folder / "users").write_text(f"user:{CANARY}\n")
        os.chmod(folder / "users", 0o600)
        subprocess.run([self.program.replace("/sbin/", "/bin/") + "_passwd", "-U", folder / "users"], check=True, capture_output=True)
        (folder / "broker.conf").write_text(
            f"allow_anonymous false\npassword_file {folder}/users\npersistence false\nlog_dest none\n"
            f"listener {self.plain} 127.0.0.1\nlistener {self.secure} 127.0.0.1\ncertfile {ca.cert}\nkeyfile {ca.key}\n"
            + (f"user {os.environ.get('USER', 'root')}\n" if os.geteuid() == 0 else ""))
        self.process = subprocess.Popen([self.program, "-c", folder / "broker.conf"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wait_until(lambda: self._answers(self.plain) and self._answers(self.secure), 10, "mosquitto")

    @staticmethod
    def _answers(port):
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    def retained(self, topic, count):
        return subprocess.run(["mosquitto_sub", "-V", "5", "-h", "127.0.0.1", "-p", str(self.plain), "-u", "user", "-P", CANARY, "-t", topic, "-q", "2",
                               "-C", str(count), "-W", "20", "-F", "%t|%q|%p"], capture_output=True, text=True, check=True).stdout

    def close(self):
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def broker(tmp_path_factory, ca):
    if not (shutil.which("mosquitto_sub") and (shutil.which("mosquitto") or os.path.exists("/usr/sbin/mosquitto"))):
        pytest.skip("no mosquitto")
    made = Mosquitto(tmp_path_factory.mktemp("broker"), ca)
    yield made
    made.close()


def test_mqtt_in_clear_and_by_tls(broker, ca, tmp_path):
    login = f"user:{CANARY}@127.0.0.1"
    ran = notify(f"mqtt://{login}:{broker.plain}/weir/one?qos=1&retained=yes", f"mqtts://{login}:{broker.secure}/weir/two?qos=2&retained=yes&clientid=w2", "--title", "", "--message", "hé",
                 cwd=tmp_path, env={"SSL_CERT_FILE": str(ca.ca)})
    assert sorted(broker.retained("weir/#", 2).split()) == ["weir/one|1|hé", "weir/two|2|hé"], ran.story()
    wrong = notify(f"mqtt://user:{CANARY}wrong@127.0.0.1:{broker.plain}/weir/one", cwd=tmp_path, expect=FAILED)
    assert "failed" in wrong.stdout and CANARY not in wrong.stdout + wrong.stderr


# ---------------------------------------------------------------- a watch

ALL_ON = {event: {"enabled": True} for event in ("idle", "preparingFiles", "postProcessing")}


def told_by(hooks, path=""):
    """Title and message, in the order they came."""
    return [(call.json["title"].removeprefix("fc2-live-dl-go: "), call.json["message"]) for call in hooks.calls() if path in call.path]


def hook(hooks, path="hook"):
    return f"generic+http://user:{CANARY}@127.0.0.1:{hooks.port}/{path}/{CANARY}?template=json&@X-Key={CANARY}"


def with_notifier(*urls, enabled=True, **more):
    return {**config(CHANNEL, labels={"team": "red"}), "notifier": {"enabled": enabled, "urls": list(urls), **more}}


def end(watch):
    watch.weir.signal(signal.SIGTERM)
    watch.weir.wait(8, WHOLE)


def test_a_watch_tells_each_event_once_and_in_order(case, hooks):
    case.fake.channel(CHANNEL, name="Somebody").begin(Shape(seconds=8), title="the live")
    formats = {**ALL_ON, "finished": {"message": "{{ .MetaData.ChannelData.Title }} of {{ .Labels.team }}"}}
    with WatchRun(case, with_notifier(hook(hooks), notificationFormats=formats)) as watch:
        wait_until(lambda: any("stream ended" in title for title, _ in told_by(hooks)), 60, f"the end to be told\n{watch.weir.story()}")
        wait_until(lambda: told_by(hooks)[-1][0] == f"watching {CHANNEL}", 20, f"{told_by(hooks)}")
        end(watch)
    titles = told_by(hooks)
    assert [row for row in titles if not row[0].startswith("watching")] == [
        ("config reloaded", "config reloaded"), ("preparing files for Somebody", "preparing files for Somebody"), ("Somebody is streaming", "the live"),
        ("post-processing Somebody", "the live"), ("Somebody stream ended", "the live of red")], titles
    call = hooks.calls()[0]
    assert call.headers["x-key"] == CANARY and call.headers["authorization"].startswith("Basic ") and call.json["priority"] == "10"


def test_FC2_116_a_reload_switches_it_off_and_on(case, hooks):
    case.fake.channel(CHANNEL)
    with WatchRun(case, with_notifier(hook(hooks, "a"))) as watch:
        wait_until(lambda: len(told_by(hooks)) == 1, 20, "the first notice")
        watch.replace(with_notifier(hook(hooks, "a"), enabled=False))
        wait_until(lambda: sum("configuration loaded" in line for line in watch.weir.lines()) == 2, 20, "the reload")
        watch.replace(with_notifier(hook(hooks, "b"), includeTitleInMessage=True, noPriority=True))
        wait_until(lambda: told_by(hooks, "/b/"), 20, "the notice of the second service")
        end(watch)
    assert told_by(hooks) == [("config reloaded", "config reloaded"), ("config reloaded", "**config reloaded**\n\nconfig reloaded")]
    assert "priority" not in hooks.calls()[1].json


def test_a_wrong_url_refuses_the_configuration(case, hooks):
    live = case.fake.channel(CHANNEL).begin(Shape(stays=True, seconds=60, window=60))
    with WatchRun(case, with_notifier(hook(hooks), f"gotify://{CANARY}")) as watch:
        watch.weir.wait(10, WRONG_USE)
        line, = [line for line in watch.weir.lines() if "url 2: gotify:" in line]
        assert "config.yaml" in line
    assert case.fake.asked() == [] and hooks.calls() == []
    with WatchRun(case, with_notifier(hook(hooks))) as watch:
        segments_fetched(case, 4)
        watch.replace({**with_notifier(f"nosuch://{CANARY}"), "channels": {}})
        watch.weir.wait_for_line(r'config\.yaml.*url 1: unknown service: "nosuch"', 20)
        segments_fetched(case, 12)
        live.end()
        wait_until(lambda: any("stream ended" in title for title, _ in told_by(hooks)), 30, "the old notifier to go on")
        end(watch)
    case.exact(live, watch.weir, name=CHANNEL, alone=False)


def test_dead_and_slow_services_hold_up_nothing(case, hooks):
    """A recording is whole and its notices come in time, though one service never answers and one is not there."""
    hooks.answer = lambda call: Answer(delay=30 if "/slow/" in call.path else 0)
    live = case.fake.channel(CHANNEL, name="Somebody").begin(Shape(seconds=8))
    urls = [hook(hooks, "slow"), f"gotify://127.0.0.1:{free_port()}/A{CANARY}xxxx?disabletls=yes", hook(hooks, "fine")]
    began = time.monotonic()
    with WatchRun(case, with_notifier(*urls)) as watch:
        wait_until(lambda: len(told_by(hooks, "/fine/")) == 3, 40, f"the notices\n{watch.weir.story()}")
        took = time.monotonic() - began
        watch.wait_for_state("IDLE")
        stopping = time.monotonic()
        end(watch)
        assert time.monotonic() - stopping < 6, "the end waits 3 s for notices, and no longer"
    case.exact(live, watch.weir, name=CHANNEL, alone=False)
    assert [title for title, _ in told_by(hooks, "/fine/")] == ["config reloaded", "Somebody is streaming", "Somebody stream ended"]
    assert took < 30 and any("not sent in time" in line for line in watch.weir.lines())


def test_FC2_136_a_newer_version_is_told_once(case, hooks):
    case.fake.channel(CHANNEL)
    hooks.answer = lambda call: Answer(body=json.dumps({"tag_name": "v99.1.0"}))
    with WatchRun(case, with_notifier(hook(hooks)), env={"WEIR_RELEASE_URL": f"http://127.0.0.1:{hooks.port}/latest"}) as watch:
        wait_until(lambda: ("update available (v99.1.0)", "A new version (v99.1.0) of fc2-live-dl is available. Please update.") in told_by(hooks, "/hook/"),
                   20, f"the new version\n{watch.weir.story()}")
        watch.weir.signal(signal.SIGHUP)
        wait_until(lambda: sum(call.path == "/latest" for call in hooks.calls()) == 2, 20, "the second look")
        wait_until(lambda: len(told_by(hooks, "/hook/")) == 3, 20, "the second configuration")
        end(watch)
    assert sum("update" in title for title, _ in told_by(hooks, "/hook/")) == 1
    assert {call.headers["accept"] for call in hooks.calls() if call.path == "/latest"} == {"application/vnd.github.v3+json"}
