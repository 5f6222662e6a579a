"""probe, remux, concat and clean on real files: what comes out holds what went in, compared with ffmpeg's own work; nothing is overwritten,
nothing is left behind, and the exit code tells the truth. Numbers are those of the facts about fc2-live-dl-go."""
import hashlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from judge import media as known_media
from judge import namespaces
from judge.units import read_units
from judge.weir import FAILED, WHOLE, WRONG_USE, Limits, Weir, binary, run, seeded, wait_until

FRAME = 1 / known_media.RATE
DAY = 86400
FORMATS = ["ts", "mp4", "mkv", "flv"]


# ---------------------------------------------------------------- media and measuring

def ffmpeg(*arguments, cwd=None):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)], check=True, cwd=cwd)


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Five seconds in every container, and twelve parts of two seconds each, as TS: copies of known media, nothing is encoded."""
    folder = tmp_path_factory.mktemp("clips")
    segments = known_media.media(60).segments
    (folder / "clip.ts").write_bytes(b"".join(s.body for s in segments[:5]))
    for ending in FORMATS[1:]:
        ffmpeg("-i", folder / "clip.ts", "-map", "0", "-c", "copy", folder / f"clip.{ending}")
    for i in range(12):
        (folder / f"part{i}.ts").write_bytes(b"".join(s.body for s in segments[2 * i:2 * i + 2]))
    return folder


def packets(path, kind):
    """(pts, size) of each packet, by ffprobe."""
    out = subprocess.run(["ffprobe", "-v", "error", "-select_streams", kind, "-show_entries", "packet=pts_time,size", "-of", "csv=p=0", str(path)],
                         capture_output=True, text=True, check=True).stdout
    rows = (line.split(",") for line in out.splitlines() if line)
    return [(float(row[0]), int(row[1])) for row in rows]


def counts(path):
    return {kind: len(packets(path, kind)) for kind in "va"}


def length(path):
    """From the first picture to the end of the last one, in seconds."""
    times = [at for at, _ in packets(path, "v")]
    return max(times) - min(times) + FRAME


def sound_offset(path):
    return min(at for at, _ in packets(path, "a")) - min(at for at, _ in packets(path, "v"))


def state_of(folder):
    """Every file's name, content and time: equal states mean that nothing was touched."""
    return {str(p.relative_to(folder)): (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns)
            for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*") if not p.is_dir())


def numbers(path):
    return known_media.shown_numbers(path)


def check_in_sync(path, beeps):
    """Each beep sounds with the picture of its second, to a frame, whatever was joined before it."""
    shown = dict(zip(sorted(at for at, _ in packets(path, "v")), numbers(path)))
    seconds = [at for at, number in shown.items() if number % known_media.RATE == 0]
    heard = known_media.beep_times(path)
    assert len(heard) == beeps
    off = [min(abs(at - second) for second in seconds) for at in heard]
    assert max(off) < FRAME, f"sound is off by up to {1000 * max(off):.0f} ms: {off}"


@pytest.fixture
def work(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def put(clips, work, source, name=None):
    return Path(shutil.copy(clips / source, work / (name or source)))


@pytest.mark.parametrize("command", ["probe", "remux", "concat", "clean"])
def test_help_has_examples_and_the_exit_codes(work, command):
    text = run(command, "--help", cwd=work, expect=WHOLE).stdout
    assert "Example" in text and all(re.search(rf"^\s*{code}\s+\S", text, re.M) for code in "012")


# ---------------------------------------------------------------- probe

@pytest.mark.parametrize("ending", FORMATS)
def test_FC2_87_probe_says_what_a_file_holds(clips, work, ending):
    clip = put(clips, work, f"clip.{ending}")
    about, = json.loads(run("probe", "--json", clip, cwd=work, expect=WHOLE).stdout)["files"]
    video, audio = about["tracks"]
    assert (video["kind"], video["codec"], video["width"], video["height"]) == ("video", "h264", known_media.WIDTH, known_media.HEIGHT)
    assert video["fps"] == pytest.approx(known_media.RATE, rel=0.01)
    assert (audio["kind"], audio["codec"], audio["sample_rate"], audio["channels"]) == ("audio", "aac", known_media.SAMPLE_RATE, 1)
    assert about["duration_s"] == pytest.approx(5, abs=0.2) and about["bytes"] == clip.stat().st_size
    text = run("probe", clip, cwd=work, expect=WHOLE).stdout
    for word in ("h264", "320x180", "25 fps", "aac", "48000 Hz", "1 channel", "0:05"):
        assert word in text


@pytest.mark.parametrize("content", [b"", bytes(range(256)) * 40, b"hello\n", None], ids=["empty", "random", "text", "missing"])
def test_FC2_87_probe_of_what_is_no_media_is_one_line_and_1(work, content):
    if content is not None:
        (work / "x.ts").write_bytes(content)
    weir = run("probe", "x.ts", cwd=work, expect=FAILED)
    assert "x.ts" in weir.check_one_clear_line() and weir.stdout == ""


def test_FC2_87_T19_a_ts_with_its_end_cut_off_is_readable(clips, work):
    clip = put(clips, work, "clip.ts")
    os.truncate(clip, clip.stat().st_size // 2 + 33)
    run("probe", clip, cwd=work, expect=WHOLE)


def test_probe_goes_on_after_a_bad_file(clips, work):
    put(clips, work, "clip.ts")
    (work / "bad.ts").write_text("no")
    weir = run("probe", "--json", "bad.ts", "clip.ts", cwd=work, expect=FAILED)
    bad, good = json.loads(weir.stdout)["files"]
    assert bad["error"] and good["format"] == "mpegts"


# ---------------------------------------------------------------- remux

@pytest.mark.parametrize("wanted", FORMATS)
@pytest.mark.parametrize("given", FORMATS)
def test_FC2_98_remux_from_any_container_to_any(clips, work, given, wanted):
    clip = put(clips, work, f"clip.{given}", f"in.{given}")
    before = state_of(work)
    weir = run("remux", "--json", "--check-content", "-f", wanted, clip, cwd=work, expect=WHOLE)
    made = work / (f"in.{wanted}" if wanted != given else f"in.1.{wanted}")
    assert [Path(f["file"]) for f in weir.summary()["files"]] == [made]
    assert names(work) == sorted([clip.name, made.name]) and state_of(work)[clip.name] == before[clip.name]
    assert counts(made) == counts(clip)
    assert length(made) == pytest.approx(length(clip), abs=FRAME)
    assert sound_offset(made) == pytest.approx(sound_offset(clip), abs=0.002)


def test_FC2_98_the_content_is_the_very_same(clips, work):
    clip = put(clips, work, "clip.ts")
    run("remux", clip, cwd=work, expect=WHOLE)
    for kind in ("video", "audio"):
        def content(path):
            return [unit.digest for unit in read_units(path) if unit.kind == kind]
        assert content(work / "clip.mp4") == content(clip)


def test_FC2_98_taken_names_are_numbered_and_extracted_sound_shares_the_number(clips, work):
    clip = put(clips, work, "clip.ts")
    (work / "clip.mp4").write_text("mine")
    for number in (1, 2):
        run("remux", "-x", clip, cwd=work, expect=WHOLE)
        assert counts(work / f"clip.{number}.mp4") == counts(clip)
        assert counts(work / f"clip.{number}.m4a") == {"v": 0, "a": counts(clip)["a"]}
    assert (work / "clip.mp4").read_text() == "mine"
    assert names(work) == sorted(["clip.ts", "clip.mp4", "clip.1.mp4", "clip.1.m4a", "clip.2.mp4", "clip.2.m4a"])


@pytest.mark.parametrize("given", FORMATS)
def test_FC2_98_extracted_sound_begins_where_it_should(clips, work, given):
    clip = put(clips, work, f"clip.{given}")
    run("remux", "-f", "m4a", clip, cwd=work, expect=WHOLE)
    assert [size for _, size in packets(work / "clip.m4a", "a")][:50] and counts(work / "clip.m4a") == {"v": 0, "a": counts(clip)["a"]}


def test_FC2_98_output_decides_the_container(clips, work):
    clip = put(clips, work, "clip.ts")
    run("remux", "-o", work / "sub" / "other.mkv", clip, cwd=work, expect=WHOLE)
    assert json.loads(run("probe", "--json", work / "sub" / "other.mkv", cwd=work).stdout)["files"][0]["format"].startswith("matroska")


@pytest.mark.parametrize("arguments", [["-f", "avi"], ["-f", "exe"], ["-o", "x.mkv", "-f", "mp4"], ["-o", "x"], ["--nonsense"]])
def test_wrong_use_of_remux_is_2_and_writes_nothing(clips, work, arguments):
    clip = put(clips, work, "clip.ts")
    run("remux", *arguments, clip, cwd=work, expect=WRONG_USE)
    assert names(work) == ["clip.ts"]


@pytest.mark.parametrize("command", [["remux"], ["concat"], ["probe"], ["clean"], ["concat", "--prefix", "p", "x.ts"]])
def test_FC2_86_98_99_100_a_missing_argument_is_wrong_use(work, command):
    run(*command, cwd=work, expect=WRONG_USE)


@pytest.mark.parametrize("what", ["missing", "empty", "text", "folder"])
def test_FC2_98_a_remux_that_fails_exits_with_1(work, what):
    path = work / "x.ts"
    {"missing": lambda: None, "empty": path.touch, "text": lambda: path.write_text("hello" * 1000), "folder": path.mkdir}[what]()
    before = names(work)
    weir = run("remux", "x.ts", cwd=work, expect=FAILED)
    assert "x.ts" in weir.check_one_clear_line() and names(work) == before


def test_FC2_98_sound_that_is_not_there_cannot_be_extracted(clips, work):
    ffmpeg("-i", clips / "clip.ts", "-an", "-c", "copy", work / "silent.ts")
    weir = run("remux", "-x", "silent.ts", cwd=work, expect=FAILED)
    assert "sound" in weir.check_one_clear_line()
    assert names(work) == ["silent.mp4", "silent.ts"] and counts(work / "silent.mp4")["v"] == counts(work / "silent.ts")["v"]


# ---------------------------------------------------------------- concat

def by_ffmpeg(files, output, work):
    """ffmpeg's own concatenation of files whose clocks it does not compare either: the concat demuxer, then a copy."""
    (work / "list.txt").write_text("".join(f"file '{f}'\n" for f in files))
    ffmpeg("-f", "concat", "-safe", 0, "-i", work / "list.txt", "-map", "0", "-c", "copy", output)
    return output


def test_FC2_99_concat_is_ffmpegs_packet_by_packet(clips, work, tmp_path):
    files = [put(clips, work, f"part{i}.ts") for i in range(4)]
    before = state_of(work)
    weir = run("concat", "--json", "--check-content", *files, cwd=work, expect=WHOLE)
    made, theirs = work / "part0.mp4", by_ffmpeg(files, tmp_path / "theirs.mp4", tmp_path)
    assert [Path(f["file"]) for f in weir.summary()["files"]] == [made]
    assert counts(made) == counts(theirs) == {k: sum(counts(f)[k] for f in files) for k in "va"}
    assert length(made) == pytest.approx(length(theirs), abs=4 * FRAME)
    assert numbers(made) == list(range(4 * 2 * known_media.RATE))
    check_in_sync(made, 8)
    assert {k: v for k, v in state_of(work).items() if k != "part0.mp4"} == before


def test_FC2_99_the_order_is_the_one_given(clips, work):
    files = [put(clips, work, f"part{i}.ts") for i in (3, 1, 2)]
    run("concat", "-o", "out.mp4", *files, cwd=work, expect=WHOLE)
    per_part = 2 * known_media.RATE
    assert numbers(work / "out.mp4") == [n for i in (3, 1, 2) for n in range(i * per_part, (i + 1) * per_part)]
    check_in_sync(work / "out.mp4", 6)


def test_FC2_85_mixed_containers_are_one_recording(clips, work):
    files = []
    for i, ending in enumerate(["ts", "mp4", "mkv", "flv", "ts"]):
        path = work / f"m{i}.{ending}"
        if ending == "ts":
            shutil.copy(clips / f"part{i}.ts", path)
        else:
            ffmpeg("-i", clips / f"part{i}.ts", "-map", "0", "-c", "copy", path)
        files.append(path)
    before = state_of(work)
    run("concat", "-x", "-o", work / "out.mp4", *files, cwd=work, expect=WHOLE)
    assert numbers(work / "out.mp4") == list(range(5 * 2 * known_media.RATE))
    assert counts(work / "out.mp4")["a"] == counts(work / "out.m4a")["a"] == sum(counts(f)["a"] for f in files)
    check_in_sync(work / "out.mp4", 10)
    assert {k: v for k, v in state_of(work).items() if not k.startswith("out.")} == before, "no hidden file, no touched input"


@pytest.mark.parametrize("endings", [["ts"] * 12, ["ts", "mp4"] * 6], ids=["ts", "mixed"])
def test_FC2_90_twelve_parts_by_prefix_come_in_the_right_order_from_any_folder(clips, work, tmp_path, endings):
    for i, ending in enumerate(endings):
        path = work / (f"2024 live.{i}.{ending}" if i else f"2024 live.{ending}")
        if ending == "ts":
            shutil.copy(clips / f"part{i}.ts", path)
        else:
            ffmpeg("-i", clips / f"part{i}.ts", "-map", "0", "-c", "copy", path)
    for side in ("2024 live.info.json", "2024 live.fc2chat.json", "2024 live 2.ts.txt"):
        (work / side).write_text("{}")
    ffmpeg("-f", "lavfi", "-i", "color=size=16x16", "-frames:v", 1, work / "2024 live.png")
    shutil.copy(clips / "part5.ts", work / "2024 live 2.ts")  # FC2-88: of another live
    weir = run("concat", "--json", "--prefix", work / "2024 live", cwd=tmp_path, expect=WHOLE)
    made = work / "2024 live.combined.mp4"
    assert [Path(f["file"]) for f in weir.summary()["files"]] == [made] and len(weir.summary()["inputs"]) == 12
    assert numbers(made) == list(range(12 * 2 * known_media.RATE))
    check_in_sync(made, 24)


def test_FC2_92_one_part_is_enough_and_a_second_time_gets_a_number(clips, work):
    put(clips, work, "clip.ts", "p.ts")
    run("concat", "--prefix", "p", "-x", cwd=work, expect=WHOLE)
    run("concat", "--prefix", "p", cwd=work, expect=WHOLE)
    assert names(work) == ["p.combined.1.mp4", "p.combined.m4a", "p.combined.mp4", "p.ts"]


def test_concat_by_prefix_without_parts_is_1(work):
    assert "p" in run("concat", "--prefix", "p", cwd=work, expect=FAILED).check_one_clear_line()


@pytest.mark.parametrize("way", ["files", "prefix"])
def test_FC2_99_an_unreadable_input_is_named_and_nothing_is_written(clips, work, way):
    for i in (0, 2):
        put(clips, work, f"part{i}.ts", f"p.{i}.ts")
    (work / "p.1.ts").write_bytes(b"not media" * 500)
    arguments = ["p.0.ts", "p.1.ts", "p.2.ts"] if way == "files" else ["--prefix", "p"]
    before = state_of(work)
    weir = run("concat", *arguments, cwd=work, expect=FAILED)
    assert "p.1.ts" in weir.stderr and len(weir.lines()) <= 3 and state_of(work) == before
    weir = run("concat", "--json", "--skip-broken", *arguments, "-o", "out.mp4", cwd=work, expect=WHOLE)
    assert [Path(p).name for p in weir.summary()["skipped"]] == ["p.1.ts"]
    assert counts(work / "out.mp4") == {k: sum(counts(work / f"p.{i}.ts")[k] for i in (0, 2)) for k in "va"}


def test_FC2_83_a_part_without_sound_keeps_the_sound_of_the_next_in_place(clips, work):
    put(clips, work, "part0.ts")
    ffmpeg("-i", clips / "part1.ts", "-an", "-c", "copy", work / "part1.ts")
    put(clips, work, "part2.ts")
    run("concat", "-o", "out.mp4", "part0.ts", "part1.ts", "part2.ts", cwd=work, expect=WHOLE)
    assert numbers(work / "out.mp4") == list(range(3 * 2 * known_media.RATE))
    check_in_sync(work / "out.mp4", 4)


# ---------------------------------------------------------------- time that breaks inside a file

def test_FC2_82_a_break_inside_a_file_moves_sound_and_picture_alike(clips, work):
    """Two pieces of a live, thirty seconds apart, the later first: back and forward jumps that nobody announced."""
    (work / "jumps.ts").write_bytes(b"".join((clips / f"part{i}.ts").read_bytes() for i in (9, 1, 5)))
    run("remux", "-x", "jumps.ts", cwd=work, expect=WHOLE)
    per_part = 2 * known_media.RATE
    assert numbers(work / "jumps.mp4") == [n for i in (9, 1, 5) for n in range(i * per_part, (i + 1) * per_part)]
    check_in_sync(work / "jumps.mp4", 6)
    assert counts(work / "jumps.m4a")["a"] == counts(work / "jumps.mp4")["a"]


@pytest.mark.parametrize("ending", FORMATS)
def test_the_33_bit_clock_wraps_without_a_trace(clips, work, ending):
    wrap = (1 << 33) / 90000
    ffmpeg("-copyts", "-i", clips / "clip.ts", "-map", "0", "-c", "copy", "-muxdelay", 0, "-output_ts_offset", wrap - 3.5, "-f", "mpegts", work / "wraps.ts")
    run("remux", "-f", ending, "-o", work / f"out.{ending}", "wraps.ts", cwd=work, expect=WHOLE)
    run("remux", "-o", work / "last.mp4", work / f"out.{ending}", cwd=work, expect=WHOLE)
    assert numbers(work / "last.mp4") == list(range(5 * known_media.RATE))
    assert length(work / "last.mp4") == pytest.approx(5, abs=FRAME)
    check_in_sync(work / "last.mp4", 5)


# ---------------------------------------------------------------- broken files

def broken(good, rng):
    """One way to spoil a file; none of it is reasonable."""
    data = bytearray(good)
    match rng.randrange(6):
        case 0:
            del data[rng.randrange(len(data)):]
        case 1:
            del data[:rng.randrange(1, len(data))]
        case 2:
            for _ in range(rng.randrange(1, 200)):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 3:
            at = rng.randrange(len(data))
            data[at:at + rng.randrange(1, 100_000)] = bytes(rng.randrange(1, 5000))
        case 4:
            at, size = rng.randrange(min(len(data), 4096)), rng.randrange(1, 64)
            data[at:at + size] = rng.randbytes(size)
        case 5:
            at = rng.randrange(len(data))
            data[at:at] = rng.randbytes(rng.randrange(1, 20_000))
    return bytes(data)


@pytest.mark.parametrize("ending", FORMATS)
def test_25_broken_files_of_each_kind_are_a_clear_error_or_a_good_file(clips, work, ending):
    rng, good = seeded(f"broken/{ending}"), (clips / f"clip.{ending}").read_bytes()
    results = set()
    for i in range(25):
        path = work / f"b.{ending}"
        path.write_bytes(broken(good, rng))
        before = state_of(work)
        weir = run("remux", "-o", "out.mkv", path.name, cwd=work)
        results.add(weir.process.returncode)
        assert state_of(work)[path.name] == before[path.name], "the input was touched"
        if weir.process.returncode == WHOLE:
            assert sum(counts(work / "out.mkv").values()) > 0, weir.story()
            (work / "out.mkv").unlink()
        else:
            assert weir.process.returncode == FAILED and len(weir.lines()[-1]) < 1000, weir.story()
        assert names(work) == [path.name], weir.story()
    assert WHOLE in results, "some of them hold media all the same"


# ---------------------------------------------------------------- trouble

def test_a_file_size_limit_leaves_no_file_and_1(clips, work):
    big = work / "big.ts"
    big.write_bytes((clips / "clip.ts").read_bytes() * 6)
    weir = run("remux", "big.ts", cwd=work, expect=FAILED, limits=Limits(file_mb=1))
    assert weir.check_one_clear_line() and names(work) == ["big.ts"]


@pytest.mark.parametrize("point", ["file.sync", "file.rename"])
def test_a_failing_disk_leaves_no_file_and_1(clips, work, point):
    put(clips, work, "clip.ts")
    weir = run("remux", "-x", "clip.ts", cwd=work, expect=FAILED, failpoint=f"{point}:1=eio")
    assert weir.check_one_clear_line() and names(work) == ["clip.ts"]


@pytest.mark.skipif(not namespaces.possible(), reason="mounting a small tmpfs needs root")
def test_a_full_disk_leaves_no_file_and_1(clips, tmp_path):
    def scene():
        folder = tmp_path / "small"
        folder.mkdir()
        namespaces.mount_tmpfs(folder, 4)
        (folder / "balloon").write_bytes(bytes(3 << 20))
        weir = run("concat", "-o", folder / "out.mp4", *[clips / "clip.ts"] * 4, cwd=tmp_path, expect=FAILED)
        assert "free" in weir.check_one_clear_line() and names(folder) == ["balloon"]

    namespaces.within(scene, mounts=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_FC2_84_a_signal_in_the_middle_leaves_nothing_behind(clips, work, number):
    big = work / "big.ts"
    one = (clips / "clip.ts").read_bytes()
    with open(big, "wb") as out:
        for _ in range(400):
            out.write(one)
    with Weir("remux", "-x", "big.ts", cwd=work) as weir:
        wait_until(lambda: weir.process.poll() is not None or any(n.startswith(".big.part") for n in names(work)), 30, "the part file", step=0.001)
        weir.signal(number)
        code = weir.wait(10)
    if code == WHOLE:
        pytest.skip("it was done before the signal came")
    assert code == FAILED and weir.lines() and names(work) == ["big.ts"], weir.story()


def test_on_a_terminal_progress_is_one_redrawn_line_and_else_there_is_none(clips, work):
    put(clips, work, "clip.ts")
    weir = run("remux", "clip.ts", cwd=work, expect=WHOLE)
    assert weir.stderr == "" and "clip.mp4" in weir.stdout and "\x1b" not in weir.stdout
    ours, theirs = pty.openpty()
    with subprocess.Popen([binary(), "remux", "clip.ts"], cwd=work, stderr=theirs, stdout=subprocess.PIPE) as process:
        os.close(theirs)
        assert process.wait(30) == WHOLE and b"clip.1.mp4" in process.stdout.read()
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:  # the other end has gone
        pass
    os.close(ours)
    assert b"writing" in shown and b"[" in shown and shown.count(b"\n") == 0 and shown.endswith(b"\r\x1b[2K")
