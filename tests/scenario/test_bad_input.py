"""Bad input: one clear line, the right exit code, nothing left behind. And lessons 5 to 14 of the vulnerability list, by number."""
import os
import socket
import stat

import pytest

from judge import checks, faults, namespaces
from judge.faults import edited, status
from judge.origin import Origin, TestCa
from judge.units import read_units
from judge.weir import FAILED, LOSSES, WHOLE, WRONG_USE, Recording, run

SHORT = ("--idle-timeout", "5s")
needs_root = pytest.mark.skipif(not namespaces.possible(), reason="needs root, for a network of its own")


def fails(recording, url, *options, code=FAILED, seconds=60, **more):
    """The run fails in one clear line and leaves nothing; returns that line."""
    weir = recording.download(url, "--from-start", *SHORT, *options, seconds=seconds, expect=code, **more)
    line = weir.check_one_clear_line()
    assert weir.stdout == "", weir.story()
    assert list(recording.folder.iterdir()) == [], weir.story()
    return line


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---------------------------------------------------------------- nothing there

def test_nobody_listens(recording):
    assert "refused" in fails(recording, f"http://127.0.0.1:{free_port()}/live.m3u8").lower()


def test_the_name_does_not_exist(recording):
    assert "nowhere.invalid" in fails(recording, "http://nowhere.invalid/live.m3u8")


@pytest.mark.parametrize("code", [401, 403, 404, 410, 500])
def test_the_first_playlist_is_refused(make_origin, recording, code):
    origin = make_origin()
    origin.fault(status(code), kind="playlist", times=None)
    assert str(code) in fails(recording, origin.url, seconds=90)


def test_404_that_the_origin_itself_says(make_origin, recording):
    assert "404" in fails(recording, make_origin().base + "/nothing.m3u8")


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"\0" * 4000, b"#EXTM3U\n", b"#EXTM3U\n#EXT-X-TARGETDURATION:x\n#EXTINF:y,\n"],
                         ids=["empty", "html", "nul", "no_segments", "not_numbers"])
def test_what_is_there_is_no_playlist(make_origin, recording, body):
    origin = make_origin()
    origin.fault(faults.garbage(body), kind="playlist", times=None)
    fails(recording, origin.url, seconds=90)


def test_a_playlist_that_stalls(make_origin, recording):
    origin = make_origin()
    origin.fault(faults.stall(), kind="playlist", times=None)
    fails(recording, origin.url, seconds=180)


def test_tls_with_an_unknown_authority(make_origin, recording, tmp_path):
    origin = make_origin(tls=TestCa(tmp_path))
    line = fails(recording, origin.url).lower()
    assert "certificate" in line or "tls" in line or "ssl" in line
    assert origin.requests == []


def test_tls_with_a_known_authority(make_origin, recording, tmp_path):
    authority = TestCa(tmp_path)
    origin = make_origin(tls=authority, window=100, pace=0.05)
    weir = recording.download(origin.url, "--from-start", env={"SSL_CERT_FILE": str(authority.ca)})
    checks.exact(recording, origin, weir)


def test_tls_for_another_name(make_origin, recording, tmp_path):
    authority = TestCa(tmp_path)
    origin = make_origin(tls=authority)
    line = fails(recording, origin.url.replace("127.0.0.1", "127.0.0.2"), env={"SSL_CERT_FILE": str(authority.ca)})
    assert "127.0.0.2" in line or "certificate" in line.lower() or "connect" in line.lower()


# ---------------------------------------------------------------- too much

def test_a_playlist_of_100_megabytes(make_origin, recording):
    origin = make_origin()
    origin.fault(faults.huge_playlist(100), kind="playlist", times=None)
    weir = recording.download(origin.url, *SHORT, seconds=120, expect=FAILED)
    weir.check_one_clear_line()
    assert list(recording.folder.iterdir()) == []
    weir.check_memory(150)


def test_a_gzip_bomb_as_playlist(make_origin, recording):
    origin = make_origin()
    origin.fault(faults.gzip_bomb(1024), kind="playlist", times=None)
    weir = recording.download(origin.url, *SHORT, seconds=120, expect=FAILED)
    weir.check_one_clear_line()
    weir.check_memory(150)


def test_an_endless_first_segment_takes_no_memory(make_origin, recording, media):
    origin = make_origin(media.segments[:6], pace=0.05, window=100)
    origin.fault(faults.endless(3 << 30), kind="segment", seq=100, times=1)
    with recording.start(origin.url, "--from-start", *SHORT) as weir:
        weir.wait(180, WHOLE)
    weir.check_memory(200)
    listed = {tuple(gap["u"]) for gap in recording.ledger(None)["gaps"]}
    assert listed <= {(100, 100)}


# ---------------------------------------------------------------- the command line

@pytest.mark.parametrize("arguments", [
    [], ["--nonsense"], ["http://127.0.0.1:1/x.m3u8", "--duration", "soon", "-o", "a.mp4"], ["http://127.0.0.1:1/x.m3u8", "--duration", "-5s"],
    ["http://127.0.0.1:1/x.m3u8", "--header", "no colon"], ["http://127.0.0.1:1/x.m3u8", "--header", "A: b\r\nHost: evil"], ["not a url"],
    ["file:///etc/passwd"], ["ftp://127.0.0.1/x.m3u8"], ["http://"], ["http://127.0.0.1:99999/x.m3u8"], ["http://a/x", "http://b/y"],
    ["http://127.0.0.1:1/x.m3u8", "-o", "a.exe"], ["http://127.0.0.1:1/x.m3u8", "-o", "n" * 300 + ".mp4"],
    ["http://127.0.0.1:1/x.m3u8", "--cookies-file", "/nonexistent"],
], ids=lambda a: " ".join(a)[:40].replace("\r\n", " ") or "nothing")
def test_wrong_use_is_said_before_anything_is_asked(tmp_path, arguments):
    weir = run("download", *arguments, cwd=tmp_path)
    assert weir.process.returncode in (WRONG_USE, FAILED if "/nonexistent" in arguments else WRONG_USE), weir.story()
    assert 1 <= len(weir.lines()) <= 3 and weir.stdout == "", weir.story()
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder(make_origin, tmp_path):
    """As an ordinary user: root may write anywhere."""
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    for parent in [tmp_path, *tmp_path.parents]:
        if parent.stat().st_uid == os.geteuid() and str(parent) != "/":
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    drop = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups") if os.geteuid() == 0 else ()
    recording = Recording(folder)
    origin = make_origin()
    weir = recording.download(origin.url, *SHORT, expect=FAILED, wrapper=drop)
    line = weir.check_one_clear_line()
    assert "locked" in line or "ermission" in line
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_a_file(make_origin, tmp_path):
    (tmp_path / "plain").write_text("")
    weir = run("download", *SHORT, "-o", tmp_path / "plain" / "out.mp4", make_origin().url, cwd=tmp_path, expect=FAILED)
    weir.check_one_clear_line()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plain"]


NAMES = {"emoji": "live 🎬🎉.mp4", "right_to_left": "a\u202egpm.mp4", "dots": "...mp4.mp4", "long": "n" * 227 + ".mp4", "spaces": "  a  b .mp4",
         "quotes": "a'b\"c;$(touch pwned)`x`.mp4", "newline": "a\nb.mp4", "dash": "./-o.mp4", "percent": "%s%n%d.mp4"}


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_names_the_user_gives_are_taken_as_they_are(make_origin, tmp_path, media, name):
    folder = tmp_path / "rec"
    folder.mkdir()
    origin = make_origin(media.segments[:3], pace=0.02, window=100)
    run("download", "--from-start", *SHORT, "-o", NAMES[name], origin.url, cwd=folder, expect=WHOLE)
    assert [n for n in os.listdir(folder) if n.endswith(".mp4")] == [NAMES[name].removeprefix("./")]
    assert len(os.listdir(folder)) == 2
    assert sorted(os.listdir(tmp_path)) == ["rec"]


def test_a_name_that_is_not_utf8_is_refused(make_origin, recording):
    """The journal is JSON and has to hold it."""
    origin = make_origin()
    weir = run("download", *SHORT, "-o", os.fsdecode(b"caf\xe9.mp4"), origin.url, cwd=recording.folder)
    assert weir.process.returncode in (FAILED, WRONG_USE) and "name" in weir.check_one_clear_line()
    assert os.listdir(recording.folder) == []


def test_FC2_76_77_the_same_name_twice_never_overwrites(make_origin, tmp_path, media):
    origins = [make_origin(media.segments[i:i + 3], pace=0.02, window=100) for i in (0, 10, 20)]
    for origin in origins:
        run("download", "--from-start", *SHORT, "-o", "talk.mp4", origin.url, cwd=tmp_path, expect=WHOLE)
    files = sorted(tmp_path.glob("*.mp4"))
    assert len(files) == 3
    held = sorted(read_units(path)[0].digest for path in files)
    assert held == sorted(origin.truth()[0].segment.units[0].digest for origin in origins)


@pytest.mark.parametrize("name", ["%2e%2e%2f%2e%2e%2fescape", "a%00b", "%F0%9F%8E%AC", "n" * 300, "..%5c..%5cx", "CON", "%E2%80%AEgpm"])
def test_names_that_come_from_the_url_stay_in_the_folder(make_origin, tmp_path, media, name):
    """No -o: the name is made from date and URL."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    origin = make_origin(media.segments[:3], pace=0.02, window=100)
    weir = run("download", "--from-start", *SHORT, f"{origin.base}/{name}/live.m3u8", cwd=folder)
    assert weir.process.returncode in (WHOLE, WRONG_USE), weir.story()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a"] and sorted(p.name for p in (tmp_path / "a").iterdir()) == ["b"]
    for left in os.listdir(os.fsencode(folder)):
        assert len(left) <= 255 and left.decode().isprintable(), left


# ---------------------------------------------------------------- lessons 5 to 14 of reliability.md, section 6

CANARY = "weir-canary-of-a-local-file"


@pytest.fixture
def secret_file(tmp_path):
    path = tmp_path / "secret.ts"
    path.write_text(CANARY)
    return path


def nothing_leaked(folder, weir):
    assert CANARY not in weir.stdout + weir.stderr
    for path in folder.rglob("*"):
        assert path.is_dir() or CANARY.encode() not in path.read_bytes(), f"{path} holds the local file"


SCHEMES = ["file://{0}", "FILE://{0}", "file:{0}", "concat:{0}|{0}", "data:video/mp2t;base64,R0AREQ==", "subfile,,start,0,end,0,,:{0}", "crypto:{0}",
           "gopher://127.0.0.1/{0}", "ftp://127.0.0.1{0}", "pipe:0", "unix://{0}"]


@pytest.mark.parametrize("form", SCHEMES)
def test_lesson_05_CVE_2016_1897_playlist_reads_local_file(make_origin, recording, media, secret_file, form):
    origin = make_origin(media.segments[:8], pace=0.1, window=100)
    bad = form.format(secret_file)
    origin.fault(edited(lambda text: text.replace("seg/0/live/103.ts", bad)), kind="playlist", times=None)
    with recording.start(origin.url, "--from-start", *SHORT) as weir:
        code = weir.wait(60)
    nothing_leaked(recording.folder, weir)
    if code == WHOLE:  # the other segments were recorded, and the refused one is in the ledger
        checks.balanced(recording, origin, {(0, 103)}, weir.story())
        recording.ledger(LOSSES)
    else:
        assert code == FAILED and list(recording.folder.iterdir()) == [], weir.story()


def test_lesson_05_CVE_2016_1898_a_playlist_made_of_local_files_only(make_origin, recording, secret_file):
    origin = make_origin()
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile://{secret_file}\n#EXT-X-ENDLIST\n"
    origin.fault(edited(lambda _: text), kind="playlist", times=None)
    with recording.start(origin.url, "--from-start", *SHORT) as weir:
        assert weir.wait(60) in (FAILED, WHOLE)
    nothing_leaked(recording.folder, weir)
    assert not any(path.suffix == ".mp4" and path.stat().st_size == 0 for path in recording.folder.iterdir())


def test_lesson_05_a_key_or_a_rendition_that_is_a_local_file(make_origin, recording, secret_file, media):
    origin = make_origin(media.segments[:4], aes=True, window=100, pace=0.05)
    origin.fault(edited(lambda text: text.replace('URI="key/0/0"', f'URI="file://{secret_file}"')), kind="playlist", times=None)
    with recording.start(origin.url, "--from-start", *SHORT) as weir:
        assert weir.wait(90) in (FAILED, WHOLE)
    nothing_leaked(recording.folder, weir)
    master = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfile://{secret_file}\n"
    origin.fault(edited(lambda _: master), kind="playlist", times=None)
    nothing_leaked(recording.folder, recording.download(origin.url, *SHORT, expect=FAILED))


def test_lesson_06_CVE_2017_9993_a_disguised_file_is_not_demuxed_by_its_looks(make_origin, recording, media):
    """A segment that is itself a playlist or an AVI with a playlist in it: its URLs are never asked for."""
    hidden = make_origin()
    bait = f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\n{hidden.base}/seg/0/live/100.ts\n#EXT-X-ENDLIST\n".encode()
    origin = make_origin(media.segments[:6], pace=0.05, window=100)
    origin.fault(faults.garbage(bait, "video/mp2t"), seq=102, times=None)
    origin.fault(faults.garbage(b"RIFF\0\1\0\0AVI LIST" + bait, "video/mp2t"), seq=104, times=None)
    with recording.start(origin.url, "--from-start", *SHORT) as weir:
        assert weir.wait(120) == WHOLE, weir.story()
    assert hidden.requests == []


def test_lesson_07_CVE_2023_6601_names_and_types_are_not_trusted(make_origin, recording, media):
    """Well-named segments of the wrong content and good ones under a strange type: content decides."""
    origin = make_origin(media.segments[:6], pace=0.05, window=100)

    def strange_type(x):
        x.content_type = "text/plain"
        x.serve()
    origin.fault(strange_type, kind="segment", times=None)
    weir = recording.download(origin.url, "--from-start", *SHORT)
    checks.exact(recording, origin, weir)


TTY = b"\x1b[2J\x1b[31mnot a video\n" * 4000
XBIN = b"XBIN\x1a" + b"\x50\0\x19\0\x10\x03" + b"A\x07" * 20000


@pytest.mark.parametrize("body", [TTY, XBIN, b"\x1aE\xdf\xa3" + b"\0" * 5000, b"FLV\1\5\0\0\0\x09" + b"\0" * 5000], ids=["tty", "xbin", "mkv", "flv"])
def test_lesson_08_CVE_2023_6602_unusual_demuxers_are_out_of_reach(make_origin, recording, media, body):
    origin = make_origin(media.segments[:6], pace=0.05, window=100)
    origin.fault(faults.garbage(body, "video/mp2t"), kind="segment", times=None)
    with recording.start(origin.url, "--from-start", *SHORT) as weir:
        assert weir.wait(120) in (FAILED, WHOLE), weir.story()
    for path in recording.folder.glob("*.mp4"):
        assert read_units(path) == []


@needs_root
@pytest.mark.parametrize("way", ["segment", "redirect", "key", "rendition", "playlist_redirect"])
def test_lesson_09_CVE_2023_6605_a_public_playlist_cannot_reach_inner_addresses(tmp_path, media, way):
    """One URL guard: in a network of its own a 'public' origin points to loopback, where a server waits and must not be asked."""
    def scene():
        folder = tmp_path / "rec"
        folder.mkdir()
        with Origin(media.segments[:6], host=namespaces.PUBLIC, pace=0.1, window=100, aes=way == "key") as origin, Origin(media.segments[:6]) as inner:
            target = f"{inner.base}/seg/0/live/100.ts"
            match way:
                case "segment":
                    origin.fault(edited(lambda text: text.replace("seg/0/live/102.ts", target)), kind="playlist", times=None)
                case "redirect":
                    origin.fault(faults.redirect(target), seq=102, times=None)
                case "key":
                    origin.fault(edited(lambda text: text.replace('URI="key/0/0"', f'URI="{inner.base}/key/0/0"')), kind="playlist", times=None)
                case "rendition":
                    text = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{inner.base}/live.m3u8\n"
                    origin.fault(edited(lambda _: text), kind="playlist", times=None)
                case "playlist_redirect":
                    origin.fault(faults.redirect(f"{inner.base}/live.m3u8"), kind="playlist", times=None)
            recording = Recording(folder)
            with recording.start(origin.url, "--from-start", *SHORT) as weir:
                weir.wait(90)
            assert inner.requests == [], weir.story()
            assert origin.requests, weir.story()

    namespaces.within(scene, network=True)


@needs_root
def test_lesson_09_a_public_origin_is_recorded(tmp_path, media):
    """The guard of the test above is not simply refusing everything."""
    def scene():
        (tmp_path / "rec").mkdir()
        with Origin(media.segments[:4], host=namespaces.PUBLIC, pace=0.05, window=100) as origin:
            recording = Recording(tmp_path / "rec")
            checks.exact(recording, origin, recording.download(origin.url, "--from-start", *SHORT))

    namespaces.within(scene, network=True)


def test_lesson_10_CVE_2025_59728_foreign_bytes_are_never_decoded_here(make_origin, recording, media):
    """Spoilt pictures pass through untouched: no decoder looks at them, so none can be attacked, and none complains."""
    origin = make_origin(media.segments[:6], pace=0.05, window=100)
    for seq in range(101, 105):
        origin.fault(faults.corrupt(188 * 150 + 60, 100), kind="segment", seq=seq)
    weir = recording.download(origin.url, "--from-start", *SHORT)
    checks.balanced(recording, origin, set(), weir.story())


def test_lesson_11_CVE_2026_44353_a_redirect_reads_no_local_file(make_origin, recording, media, secret_file):
    origin = make_origin(media.segments[:8], pace=0.1, window=100)
    origin.fault(faults.redirect(f"file://{secret_file}"), seq=103, times=2)
    origin.fault(faults.redirect(f"file://{secret_file}"), kind="playlist", times=1, skip=1)
    weir = recording.download(origin.url, "--from-start", *SHORT)
    nothing_leaked(recording.folder, weir)
    checks.exact(recording, origin, weir, lost={(0, 103)})


COOKIES = "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tcanary-cookie\n"


@pytest.mark.parametrize("way", ["redirect", "playlist"])
def test_lesson_12_CVE_2023_35934_cookies_and_headers_stay_with_their_host(make_origin, recording, media, tmp_path, way):
    (tmp_path / "cookies.txt").write_text(COOKIES)
    other = make_origin(media.segments[:6], host="127.0.0.3")
    origin = make_origin(media.segments[:6], pace=0.05, window=100)
    if way == "redirect":
        origin.fault(faults.redirect(f"{other.base}/seg/0/live/102.ts"), seq=102, times=None)
    else:
        origin.fault(edited(lambda text: text.replace("seg/0/live/102.ts", f"{other.base}/seg/0/live/102.ts")), kind="playlist", times=None)
    weir = recording.download(origin.url, "--from-start", *SHORT, "--cookies-file", tmp_path / "cookies.txt", "--header", "Authorization: canary-header")
    assert all(r.headers.get("cookie") == "session=canary-cookie" for r in origin.asked())
    assert all(r.headers.get("authorization") == "canary-header" for r in origin.asked("playlist"))
    assert other.requests and not any({"cookie", "authorization"} & r.headers.keys() for r in other.requests), weir.story()
    assert "canary" not in weir.stdout + weir.stderr + recording.journal.read_text()


def test_lesson_13_CVE_2024_38519_the_extension_comes_from_us(make_origin, tmp_path, media):
    origin = make_origin(media.segments[:3], pace=0.02, window=100)

    def tempting(x):
        x.headers["Content-Disposition"] = 'attachment; filename="../../evil.desktop"'
        x.serve()
    origin.fault(tempting, times=None)
    run("download", "--from-start", *SHORT, f"{origin.base}/evil.sh%2f..%2fx.desktop/live.m3u8", cwd=tmp_path)
    assert all(path.name.endswith((".mp4", ".weir.jsonl")) for path in tmp_path.iterdir())


def test_lesson_14_CVE_2026_50574_no_shell_sees_what_the_network_says(make_origin, tmp_path, media):
    """Command words in every place that a shell might meet: the title, the path, the query, a header, the file name."""
    origin = make_origin(media.segments[:4], pace=0.02, window=100)
    evil = "$(touch${IFS}pwned)`touch pwned`;touch pwned|touch pwned&&touch pwned"
    origin.fault(edited(lambda text: text.replace("#EXTINF:1.000000,", f"#EXTINF:1.000000,{evil}")), kind="playlist", times=None)
    run("download", "--from-start", *SHORT, "--header", f"X-Test: {evil}", "-o", f"{evil.replace('/', '_')}.mp4",
        f"{origin.url}?title=$(touch${{IFS}}pwned)", cwd=tmp_path, expect=WHOLE)
    assert "pwned" not in os.listdir(tmp_path)
