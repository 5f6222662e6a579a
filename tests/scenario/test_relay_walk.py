"""The README of vw, command by command: the program is called through a link named vw, weir's own crossbar is the far server, a test
picture takes the camera's place. Each answer is the one that README or vw itself gives (VW-3 to VW-12).
"""
import json
import os
import re
import ssl
import subprocess

import pytest

from judge import relay_media
from judge.origin import TestCa
from judge.relay import Peer, Relay
from judge.weir import SCALE, binary, run, wait_until


@pytest.fixture
def vw(tmp_path, monkeypatch):
    """A folder with the program installed as vw, which later runs use."""
    link = tmp_path / "bin" / "vw"
    link.parent.mkdir()
    os.symlink(binary(), link)
    monkeypatch.setenv("WEIR_BIN", str(link))
    return link


def curl(*arguments, answers=0):
    done = subprocess.run(["curl", "-sS", "--noproxy", "*", "--max-time", str(20 * SCALE), *arguments], capture_output=True, text=True)
    assert done.returncode == answers, done.stderr
    return done.stdout


def test_the_walk_through_of_vws_readme(vw, tmp_path, monkeypatch):
    ca = TestCa(tmp_path)
    (tmp_path / "far").mkdir()
    with far_server(ca, tmp_path / "far", monkeypatch, vw) as far:
        settings = {"VW_PORT": "0", "VW_LOGLEVEL": "ERROR", "VW_TLS_CA": str(ca.ca)}
        with Relay(cwd=tmp_path, command=("stream",), env=settings) as relay:
            walk(relay, far, ssl.create_default_context(cafile=str(ca.ca)))
            relay.stop()
        assert relay.stderr == "", "only errors are logged, and there were none"
        far.stop()


def far_server(ca, folder, monkeypatch, vw):
    """The same program under its own name."""
    with monkeypatch.context() as now:
        now.setenv("WEIR_BIN", os.readlink(vw))
        return Relay("--tls-cert", ca.cert, "--tls-key", ca.key, cwd=folder)


def walk(relay, far, trust):
    here, there = f"http://localhost:{relay.port}", f"wss://localhost:{far.port}"
    post = ("-X", "POST", "-H", "Content-Type: application/json", "-d")
    picture = Peer(*"ffmpeg -v error -nostdin -re -f lavfi -i testsrc=size=160x120:rate=25 -f mpegts -codec:v mpeg1video -s 160x120 -b:v 200k -bf 0".split(),
                   f"{here}/ts/video0")
    sound = Peer(*"ffmpeg -v error -nostdin -re -f lavfi -i sine -filter:a volume=50 -f mpegts -mpegts_start_pid 0x200 -codec:a mp2 -b:a 64k".split(),
                 f"{here}/ts/audio0")
    with picture, sound, far.viewer("/out/video0", tls=trust) as viewer, far.viewer("/out/video1", tls=trust) as other:
        assert curl(*post, '{"stream":"/stream/front/large","feeds":["video0","audio0"]}', f"{here}/api/streams") \
            == '{"stream":"stream/front/large","feeds":["video0","audio0"]}'  # VW-3, VW-19
        assert curl(*post, '{"stream":"/stream/front/large","destination":"%s/in/video0","id":"0"}' % there, f"{here}/api/destinations") \
            == '{"id":"0","stream":"stream/front/large","destination":"%s/in/video0","token":""}' % there  # VW-8, VW-28

        def kinds(of, since=0):
            return {relay_media.pid_of(packet) for packet in relay_media.packets(of.data[since:])} & {0x100, 0x200}

        wait_until(lambda: kinds(viewer) == {0x100, 0x200}, 20, "pictures and sound at the far server", step=0.05)
        assert relay_media.pictures(viewer.data)
        seen = json.loads(Peer("ffprobe", "-v", "error", "-analyzeduration", "1000000", "-show_entries", "stream=codec_name", "-of", "json",
                               f"{here}/live/stream/front/large.ts").wait(15))
        assert {row["codec_name"] for row in seen["streams"]} <= {"mpeg1video", "mp2"} and seen["streams"]

        # Updating rules: mute, then another destination under the same id.
        assert curl(*post, '{"stream":"/stream/front/large","feeds":["video0"]}', f"{here}/api/streams") == '{"stream":"stream/front/large","feeds":["video0"]}'
        last = {"size": len(viewer.data)}

        def quiet():
            since, last["size"] = last["size"], len(viewer.data)
            return last["size"] > since and kinds(viewer, since) == {0x100}

        wait_until(quiet, 20, "silence", step=0.3)
        curl(*post, '{"stream":"/stream/front/large","destination":"%s/in/video1","id":"0"}' % there, f"{here}/api/destinations")
        wait_until(lambda: relay_media.pictures(other.data) > 5, 20, "the new server", step=0.05)

        # Seeing and deleting them.
        assert curl("-X", "GET", f"{here}/api/streams/all") == '{"stream/front/large":["video0"]}'  # VW-4
        assert curl("-X", "GET", f"{here}/api/streams/stream/front/large") == '["video0"]'  # VW-5
        assert json.loads(curl("-X", "GET", f"{here}/api/destinations/all")) == {
            "0": {"id": "0", "stream": "stream/front/large", "destination": f"{there}/in/video1", "token": ""}}  # VW-9
        assert curl("-X", "GET", f"{here}/api/destinations/0") == '{"id":"0","stream":"stream/front/large","destination":"%s/in/video1","token":""}' % there
        assert curl("-X", "DELETE", f"{here}/api/streams/stream/front/large") == '"stream/front/large"'  # VW-6
        assert curl("-X", "DELETE", f"{here}/api/destinations/0") == '"0"'  # VW-11
        assert curl("-X", "DELETE", f"{here}/api/streams/stream/front/large") == '"stream/front/large"', "also when it has gone (VW-6)"
        assert curl(f"{here}/api/streams/stream/front/large") == "Stream not found\n"  # VW-5

        # A feed by itself, without a stream rule; then everything at once, which vw only promised (VW-7, VW-12).
        curl(*post, '{"stream":"video0","destination":"%s/in/video0","id":"0"}' % there, f"{here}/api/destinations")
        at = len(viewer.data)
        wait_until(lambda: relay_media.pictures(viewer.data[at // 188 * 188:]) > 5, 20, "the feed alone", step=0.05)
        curl("-X", "PUT", "-d", '{"stream":"stream/x","feeds":[]}', f"{here}/api/streams")
        assert curl("-X", "DELETE", f"{here}/api/streams/all") == curl("-X", "DELETE", f"{here}/api/destinations/all") == '"deleteAll"'
        assert curl(f"{here}/api/streams/all") == curl(f"{here}/api/destinations/all") == "{}"
        assert curl(f"{here}/healthcheck") == '"ok"\n'  # VW-1
        assert picture.process.poll() is None and sound.process.poll() is None, "no ffmpeg had to be started again"


def test_the_other_commands_of_vw_VW_81(vw, tmp_path):
    assert re.match(r"vw video websocket transporter v0\.1\.0\n", run("version", cwd=tmp_path, expect=0).stdout)
    assert "vw stream" in run("help", cwd=tmp_path, expect=0).stdout
    assert run("nonsense", cwd=tmp_path, expect=1).stderr
    assert run("stream", cwd=tmp_path, env={"VW_PORT": "abc"}, expect=1).stderr  # VW-84


def test_stream_ignores_further_words_and_the_environment_has_any_letter_case_VW_81_82(vw, tmp_path):
    with Relay(cwd=tmp_path, command=("stream", "and", "more"), env={"vw_port": "0", "Vw_Log_Level": "ERROR"}) as relay:
        assert relay.must("GET", "/healthcheck") == '"ok"\n'
        relay.stop()
    assert relay.stderr == ""
