"""What `weir download` takes beside HLS (streams and files over HTTP), and the forms its final file may have."""
import json
import os
import signal
import subprocess
import time

import pytest

from judge import verify
from judge.media import media as known_media
from judge.shelf import FileOnShelf, Shelf
from judge.units import AUDIO, VIDEO, of_kind, read_ts, read_units
from judge.weir import FAILED, LOSSES, WHOLE, WRONG_USE, Limits, Weir, kill_at_bytes, run, wait_until

BLOCK = 1 << 20


@pytest.fixture
def shelf():
    with Shelf() as made:
        yield made


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """The first 20 seconds of the known minute in other containers, without encoding anything."""
    folder = tmp_path_factory.mktemp("packed")
    source = known_media(60)
    start = folder / "source.ts"
    start.write_bytes(b"".join(s.body for s in source.segments[:20]))
    for name, options in {"film.mkv": [], "film.mp4": [], "live.flv": ["-flvflags", "no_duration_filesize"],
                          "live.mp4": ["-bsf:a", "aac_adtstoasc", "-movflags", "+frag_keyframe+delay_moov+default_base_moof"]}.items():
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(start), "-c", "copy", *options, str(folder / name)], check=True)
    return folder


def joined(segments) -> bytes:
    return b"".join(s.body for s in segments)


def download(folder, url, *options, expect=WHOLE, seconds=60, **more):
    return run("download", "--json", *options, url, cwd=folder, expect=expect, seconds=seconds, **more)


def left(folder):
    return sorted(os.listdir(folder))


# ---------------------------------------------------------------- lives

def test_ts_over_http_cut_twice_is_kept_to_the_packet_and_both_cuts_are_listed(shelf, tmp_path, media):
    parts = [joined(media.segments[a:a + 4]) for a in (0, 10, 20)]
    cuts = [len(parts[0]) * 2 // 3, len(parts[1]) // 2]
    for part, cut in zip(parts, [*cuts, None]):
        url = shelf.live("/live", part, cut=cut)
    shelf.status("/live", 404)
    weir = download(tmp_path, url, "--no-remux", "-o", "out.ts")
    whole = [parts[0][:cuts[0] // 188 * 188], parts[1][:cuts[1] // 188 * 188], parts[2]]
    made, came = (tmp_path / "out.ts").read_bytes(), b"".join(whole)
    assert made.endswith(came) and len(made) - len(came) <= 10 * 188, weir.story()  # tables may stand in front
    ledger = json.loads(run("verify", "--json", "out.ts", cwd=tmp_path, expect=LOSSES).stdout)
    assert len(ledger["gaps"]) == 2 and all(not gap["exact"] for gap in ledger["gaps"])
    assert left(tmp_path) == ["out.ts", "out.weir.jsonl"]


def test_ts_over_http_becomes_an_mp4_with_every_unit(shelf, tmp_path, media):
    body = joined(media.segments[:6])
    url = shelf.live("/live", body)
    shelf.status("/live", 404)
    weir = download(tmp_path, url, "-o", "out.mp4")
    assert verify.same_units(read_ts(body), read_units(tmp_path / "out.mp4")) == [], weir.story()
    assert weir.summary()["end"] == "endlist" and abs(weir.summary()["duration_s"] - 6) < 0.3


@pytest.mark.parametrize("name", ["live.flv", "live.mp4"], ids=["flv", "fragmented_mp4"])
def test_other_streams_over_http_become_an_mp4_with_every_unit(shelf, tmp_path, packed, name):
    url = shelf.live("/live", (packed / name).read_bytes(), rate=8_000_000)
    shelf.status("/live", 404)
    weir = download(tmp_path, url, "-o", "out.mp4")
    assert verify.same_units(read_ts((packed / "source.ts").read_bytes()), read_units(tmp_path / "out.mp4")) == [], weir.story()
    assert left(tmp_path) == ["out.mp4", "out.weir.jsonl"]


def test_flv_cut_and_taken_up_again_is_one_recording(shelf, tmp_path, packed):
    body = (packed / "live.flv").read_bytes()
    shelf.live("/live", body, cut=len(body) // 2, rate=8_000_000)
    url = shelf.live("/live", body, rate=8_000_000)
    shelf.status("/live", 404)
    weir = download(tmp_path, url, "--strict", "-o", "out.mp4", expect=LOSSES)
    assert weir.summary()["gaps"] == 1
    source = read_ts((packed / "source.ts").read_bytes())
    got = read_units(tmp_path / "out.mp4")
    assert len(got) > 1.4 * len(source), weir.story()
    assert {u.digest for u in got} == {u.digest for u in source}
    assert len(json.loads(run("verify", "--json", "out.mp4", cwd=tmp_path, expect=LOSSES).stdout)["gaps"]) == 1


def test_a_killed_live_goes_on_with_a_gap(shelf, recording, media):
    url = shelf.live("/live", joined(media.segments[:40]), rate=125_000)  # about as fast as it plays
    with recording.start(url) as weir:
        kill_at_bytes(weir, recording, 400_000, 30)
    shelf.clear()
    later = joined(media.segments[45:50])
    shelf.live("/live", later)
    shelf.status("/live", 404)
    weir = recording.download(url)
    assert weir.summary()["resumed"] and recording.others() == [], weir.story()
    gap, = recording.ledger(LOSSES)["gaps"]
    assert not gap["exact"]
    got, wanted = read_units(recording.file), read_ts(later)
    for kind in (VIDEO, AUDIO):
        last = of_kind(wanted, kind)
        assert [u.digest for u in of_kind(got, kind)][-len(last):] == [u.digest for u in last], weir.story()


# ---------------------------------------------------------------- files

@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "source.ts", "live.flv"])
def test_a_file_with_cuts_is_fetched_to_the_byte(shelf, tmp_path, packed, name):
    body = (packed / name).read_bytes()
    cut = len(body) // 3 + 1001
    url = shelf.file(f"/{name}", FileOnShelf(body, cut=cut))
    weir = download(tmp_path, url)
    made = weir.summary()["file"]
    assert made.endswith(os.path.splitext(name)[1]), "a file keeps its own ending"
    assert open(made, "rb").read() == body, weir.story()
    assert shelf.ranges(f"/{name}") == [None, f"bytes={cut}-{len(body) - 1}", f"bytes={2 * cut}-{len(body) - 1}"]
    assert shelf.asked[-1].if_range == '"v1"'
    assert len(left(tmp_path)) == 2
    run("verify", made, cwd=tmp_path, expect=WHOLE)


def test_a_file_is_remuxed_when_another_container_is_asked_for(shelf, tmp_path, packed):
    url = shelf.file("/film.mkv", FileOnShelf((packed / "film.mkv").read_bytes()))
    weir = download(tmp_path, url, "-o", "out.mp4")
    assert verify.same_units(read_ts((packed / "source.ts").read_bytes()), read_units(tmp_path / "out.mp4")) == [], weir.story()


def test_a_killed_file_goes_on_at_the_block_it_has(shelf, tmp_path, packed):
    body = (packed / "film.mkv").read_bytes()
    held = FileOnShelf(body, rate=1_000_000)
    url = shelf.file("/film.mkv", held)
    with Weir("download", "-o", "out.mkv", url, cwd=tmp_path) as weir:
        wait_until(lambda: (tmp_path / "out.0.bin").exists() and (tmp_path / "out.0.bin").stat().st_size > 1.3 * BLOCK, 30, "some of it")
        weir.kill()
    held.rate = 0
    weir = download(tmp_path, url, "-o", "out.mkv")
    assert (tmp_path / "out.mkv").read_bytes() == body, weir.story()
    assert shelf.ranges("/film.mkv")[-1] == f"bytes={BLOCK}-{len(body) - 1}"
    assert left(tmp_path) == ["out.mkv", "out.weir.jsonl"] and weir.summary()["resumed"]


def test_a_stopped_file_stays_unfinished_and_goes_on(shelf, tmp_path, packed):
    body = (packed / "film.mkv").read_bytes()
    held = FileOnShelf(body, rate=1_000_000)
    url = shelf.file("/film.mkv", held)
    with Weir("download", "-o", "out.mkv", url, cwd=tmp_path) as weir:
        wait_until(lambda: (tmp_path / "out.0.bin").exists() and (tmp_path / "out.0.bin").stat().st_size > 1.3 * BLOCK, 30, "some of it")
        weir.signal(signal.SIGINT)
        weir.wait(10, FAILED)
    assert not (tmp_path / "out.mkv").exists() and "the same command goes on" in weir.stderr
    held.rate = 0
    weir = download(tmp_path, url, "-o", "out.mkv")
    assert (tmp_path / "out.mkv").read_bytes() == body, weir.story()


def test_a_file_that_changed_meanwhile_is_an_error_that_says_so(shelf, tmp_path, packed):
    held = FileOnShelf((packed / "film.mkv").read_bytes(), cut=400_000)
    held.on_answer = lambda n: setattr(held, "etag", f'"v{n}"')
    url = shelf.file("/film.mkv", held)
    weir = download(tmp_path, url, "-o", "out.mkv", expect=FAILED)
    assert "changed" in weir.lines()[-1] and not (tmp_path / "out.mkv").exists(), weir.story()


def test_a_killed_file_that_changed_meanwhile_begins_anew(shelf, tmp_path, packed):
    body = (packed / "film.mkv").read_bytes()
    held = FileOnShelf(body, rate=1_000_000)
    url = shelf.file("/film.mkv", held)
    with Weir("download", "-o", "out.mkv", url, cwd=tmp_path) as weir:
        wait_until(lambda: (tmp_path / "out.0.bin").exists() and (tmp_path / "out.0.bin").stat().st_size > 1.3 * BLOCK, 30, "some of it")
        weir.kill()
    held.rate, held.etag = 0, '"v2"'
    weir = download(tmp_path, url, "-o", "out.mkv")
    made = weir.summary()["file"]
    assert open(made, "rb").read() == body and not weir.summary()["resumed"], weir.story()


def test_a_disk_that_refuses_some_of_a_file_ends_it_at_once(shelf, tmp_path, packed):
    body = (packed / "film.mkv").read_bytes() * 4
    url = shelf.file("/film.mkv", FileOnShelf(body))
    weir = download(tmp_path, url, "-o", "out.mkv", expect=FAILED, limits=Limits(file_mb=2))
    assert "the disk did not take all" in weir.stderr and not (tmp_path / "out.mkv").exists(), weir.story()
    made = download(tmp_path, url, "-o", "out.mkv").summary()["file"]
    assert open(made, "rb").read() == body


def test_a_web_page_is_one_clear_line(shelf, tmp_path):
    url = shelf.page("/watch.mp4", "<!DOCTYPE html><html><body>watch here</body></html>")
    weir = download(tmp_path, url, expect=FAILED)
    assert "web page" in weir.check_one_clear_line()
    assert left(tmp_path) == []


# ---------------------------------------------------------------- forms of the final file

def test_no_remux_keeps_the_segments_as_they_came(make_origin, tmp_path, media):
    origin = make_origin(media.segments[:5], pace=0.02, window=100)
    weir = download(tmp_path, origin.url, "--from-start", "--no-remux", "-o", "out.mp4")
    made = (tmp_path / "out.ts").read_bytes()
    came = joined(media.segments[:5])
    assert made.endswith(came) and len(made) - len(came) <= 10 * 188, "only tables may stand in front"
    assert weir.summary()["file"] == str(tmp_path / "out.ts") and left(tmp_path) == ["out.ts", "out.weir.jsonl"]
    run("verify", "out.ts", cwd=tmp_path, expect=WHOLE)


@pytest.mark.parametrize("form, magic", [("mkv", b"\x1a\x45\xdf\xa3"), ("ts", b"\x47"), ("flv", b"FLV")])
def test_remux_format_is_the_container(make_origin, tmp_path, media, form, magic):
    origin = make_origin(media.segments[:5], pace=0.02, window=100)
    weir = download(tmp_path, origin.url, "--from-start", "--remux-format", form)
    made = weir.summary()["file"]
    assert made.endswith(f".{form}") and open(made, "rb").read(8).startswith(magic), weir.story()
    run("verify", made, cwd=tmp_path, expect=WHOLE)


def test_an_ending_and_a_format_that_differ_are_wrong_use(tmp_path):
    weir = run("download", "--remux-format", "mkv", "-o", "out.mp4", "http://127.0.0.1:1/x", cwd=tmp_path, expect=WRONG_USE)
    assert ".mp4" in weir.stderr and ".mkv" in weir.stderr and left(tmp_path) == []


def test_extract_audio_makes_the_sound_apart(make_origin, tmp_path, media):
    origin = make_origin(media.segments[:5], pace=0.02, window=100)
    weir = download(tmp_path, origin.url, "--from-start", "-x", "-o", "out.mp4")
    assert left(tmp_path) == ["out.m4a", "out.mp4", "out.weir.jsonl"] and weir.summary()["audio"] == str(tmp_path / "out.m4a")
    sound, both = read_units(tmp_path / "out.m4a"), read_units(tmp_path / "out.mp4")
    assert [u.digest for u in sound] == [u.digest for u in of_kind(both, AUDIO)] and len(sound) > 200


def test_extract_audio_is_made_after_a_kill_too(make_origin, recording, media):
    origin = make_origin(media.segments[:20], pace=0.1, window=100)
    with recording.start(origin.url, "--from-start", "-x") as weir:
        kill_at_bytes(weir, recording, 300_000, 30)
    recording.download(origin.url, "--from-start")
    assert recording.others() == ["out.m4a"]


@pytest.mark.parametrize("point", ["finalise.written", "finalise.renamed", "finalise.raw_deleted", "audio.checked"])
def test_killed_while_finishing_the_next_start_finishes_what_is_left(make_origin, tmp_path, media, point):
    origin = make_origin(media.segments[:5], pace=0.02, window=100)
    wish = ("--from-start", "-x", "-o", "out.mkv", origin.url)
    with Weir("download", *wish, cwd=tmp_path, failpoint=f"{point}=kill") as weir:
        assert weir.wait(60) == -signal.SIGKILL, weir.story()
    weir = run("download", *wish, cwd=tmp_path, expect=WHOLE)
    assert left(tmp_path) == ["out.m4a", "out.mkv", "out.weir.jsonl"], weir.story()
    assert (tmp_path / "out.mkv").read_bytes().startswith(b"\x1a\x45\xdf\xa3")
    run("verify", "out.mkv", cwd=tmp_path, expect=WHOLE)


def test_FC2_68_69_73_labels_and_fields_make_the_name(make_origin, tmp_path, media):
    origin = make_origin(media.segments[:3], pace=0.02, window=100)
    weir = download(tmp_path, origin.url, "--from-start", "--label", "team=../red", "--label", "n=7:8",
                    "-o", "{{ .Labels.team }}/{{ .ChannelName }} {{ .Title }} {{ .Labels.n }}.{{ .Ext }}")
    made = os.path.relpath(weir.summary()["file"], tmp_path)
    assert made.endswith("red/127.0.0.1 127.0.0.1 live 7_8.mp4") and not made.startswith(".."), weir.story()
    assert len(left(tmp_path)) == 1, "labels climb nowhere"
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / left(tmp_path)[0]).stat().st_mode & 0o777 == 0o755 & ~mask


@pytest.mark.parametrize("options", [["--label", "novalue"], ["-o", "{{ .Nonsense }}.{{ .Ext }}"], ["-o", "{{ .Title"],
                                     ["-o", "{{ .Title }}.exe"], ["--remux-format", "exe"]])
def test_names_that_cannot_be_made_are_wrong_use(tmp_path, options):
    run("download", *options, "http://127.0.0.1:1/x", cwd=tmp_path, expect=WRONG_USE).check_one_clear_line()
    assert left(tmp_path) == []


# ---------------------------------------------------------------- one live after another

def lives(make_origin, folder, media, *options):
    """Two lives under one address; returns the run and its summaries."""
    origin = make_origin(media.segments[:5], pace=0.02, window=100)
    with Weir("download", "--json", "--loop", "--from-start", *options, origin.url, cwd=folder) as weir:
        wait_until(lambda: weir.stdout.count("\n") == 1, 60, f"the first recording\n{weir.story()}")
        time.sleep(0.5)
        assert weir.stdout.count("\n") == 1, "the live that ended is not recorded again"
        origin.restart(media.segments[20:26], first=500)
        wait_until(lambda: weir.stdout.count("\n") == 2, 60, f"the second recording\n{weir.story()}")
        weir.signal(signal.SIGINT)
        weir.wait(10, WHOLE)
    return weir, [json.loads(line) for line in weir.stdout.splitlines()]


def test_loop_records_one_live_after_another(make_origin, tmp_path, media):
    weir, made = lives(make_origin, tmp_path, media, "-o", "out.mp4")
    assert [m["file"] for m in made] == [str(tmp_path / "out.mp4"), str(tmp_path / "out.1.mp4")], weir.story()
    for m, segments in zip(made, (media.segments[:5], media.segments[20:26])):
        assert verify.same_units(read_ts(joined(segments)), read_units(m["file"])) == []
    assert len(left(tmp_path)) == 4


def test_FC2_92_concat_joins_the_parts_of_an_interrupted_live(make_origin, tmp_path, media):
    weir, made = lives(make_origin, tmp_path, media, "--concat", "-o", "out.mp4")
    combined = tmp_path / "out.combined.mp4"
    assert made[1]["combined"] == str(combined), weir.story()
    wanted = [u.digest for part in (media.segments[:5], media.segments[20:26]) for u in of_kind(read_ts(joined(part)), AUDIO)]
    assert [u.digest for u in of_kind(read_units(combined), AUDIO)] == wanted


def test_loop_ends_after_a_file(shelf, tmp_path, packed):
    url = shelf.file("/film.mkv", FileOnShelf((packed / "film.mkv").read_bytes()))
    download(tmp_path, url, "--loop", "-o", "out.mkv")
    assert left(tmp_path) == ["out.mkv", "out.weir.jsonl"]
