"""The judge's other forms of HLS are judged first, too: against the source they were made of, and by ffmpeg's own reader."""
import re
import subprocess

import pytest

from judge import fragments, packages, verify
from judge import media as known_media
from judge.form_origin import FormOrigin
from judge.fragments import read_any, read_fragments
from judge.nginx import Form, LiveEncoder, Nginx
from judge.units import AUDIO, VIDEO, read_units

MAKERS = {"fmp4": packages.fmp4, "small": packages.fmp4_in_small_fragments, "fmp4_with_audio": packages.fmp4_with_audio,
          "ts_with_audio": packages.ts_with_audio, "packed_audio": packages.with_packed_audio}


@pytest.fixture(scope="session")
def short():
    return known_media.media(20)


def units_of(package):
    return [unit for lane in (package.pictures, package.sound or []) for segment in lane for unit in segment.units]


@pytest.mark.parametrize("name", MAKERS)
def test_a_package_is_the_media_again(short, name):
    package = MAKERS[name](short)
    assert verify.same_units(read_units(short.ts), units_of(package)) == []
    if package.sound:
        assert len(package.sound) == len(package.pictures) == 20
        assert all(packages.has(segment) == {VIDEO} for segment in package.pictures)
        assert all(packages.has(segment) == {AUDIO} for segment in package.sound)


def test_a_torn_fragment_is_left_out_and_a_moved_one_is_seen(short):
    assert min(len(fragments.fragments(segment.body)) for segment in packages.fmp4_in_small_fragments(short).pictures) >= 4
    segment = packages.fmp4(short).pictures[3]
    whole = read_fragments(segment.header, segment.body)
    assert read_fragments(segment.header, segment.body[:-1]) == []
    assert read_fragments(segment.header, segment.body + segment.body[:200]) == whole
    assert fragments.split_header(segment.header + segment.body) == (segment.header, segment.body)


def test_the_stamp_of_packed_audio_is_as_the_standard_writes_it():
    tag = fragments.packed_stamp(2.0)
    assert len(tag) == 73 and tag[:10] == b"ID3\x04\0\0\0\0\0\x3f" and tag[-8:] == (180000).to_bytes(8, "big")
    assert read_any(tag) == []


ORIGINS = {"fmp4": (packages.fmp4, {}), "fmp4_with_audio": (packages.fmp4_with_audio, {}), "ts_with_audio": (packages.ts_with_audio, {}),
           "packed_audio": (packages.with_packed_audio, {}), "fmp4_ranges": (packages.fmp4, {"ranges": True}),
           "fmp4_aes": (packages.fmp4, {"aes": True}), "ivs": (packages.fmp4, {"ivs": True}),
           "audio_ranges": (packages.fmp4_with_audio, {"ranges": True})}


@pytest.mark.parametrize("name", ORIGINS)
def test_ffmpeg_records_each_form_of_the_origin_whole(short, tmp_path, name):
    maker, options = ORIGINS[name]
    with FormOrigin(maker(short).part(0, 10), pace=0.01, window=100, **options) as origin:
        subprocess.run(["ffmpeg", "-v", "fatal", "-live_start_index", "0", "-i", origin.url, "-map", "0:v", "-map", "0:a", "-c", "copy",
                        tmp_path / "copy.mp4"], check=True)
        verdict = verify.delivery_of_lanes(origin.truth_by_kind(), read_units(tmp_path / "copy.mp4"), {VIDEO: set(), AUDIO: set()})
        assert (verdict.unlisted, verdict.foreign) == ([], [])
        if name != "packed_audio":  # ffmpeg 5.1 does not add the stamp of packed audio to what TS says
            assert verdict.complaints() == []


def test_a_keyed_header_is_opened_by_the_key_that_stands_before_it(short, tmp_path):
    with FormOrigin(packages.fmp4(short).part(0, 4), aes=True, explicit_iv=True, keyed_header=True, window=100) as origin:
        text = origin.playlist("live")
        key, iv = origin._key(0, 0), origin._iv(0, 100)
        assert text.index(iv.hex()) < text.index("#EXT-X-MAP") < text.rindex("#EXT-X-KEY")
        header = re.search(r'MAP:URI="([^"]+)"', text)[1]
        locked = subprocess.run(["curl", "-s", "--noproxy", "*", origin.base + header], capture_output=True).stdout
        opened = subprocess.run(["openssl", "enc", "-d", "-aes-128-cbc", "-K", key.hex(), "-iv", iv.hex()], input=locked, capture_output=True)
        assert opened.stdout == packages.fmp4(short).pictures[0].header


LIVE = {"fmp4": Form(fmp4=True), "fmp4_audio": Form(fmp4=True, audio=True), "ts_audio": Form(audio=True), "ts_ranges": Form(ranges=True),
        "fmp4_ranges": Form(fmp4=True, ranges=True)}


@pytest.mark.parametrize("name", LIVE)
def test_ffmpeg_and_nginx_make_each_form_of_live(short, tmp_path, name):
    form = LIVE[name]
    with Nginx(tmp_path / "nginx", tmp_path / "www") as nginx, LiveEncoder(short.ts, tmp_path / "www", form=form, speed=30, window=100) as live:
        live.wait_for_end()
        subprocess.run(["ffmpeg", "-v", "fatal", "-live_start_index", "0", "-i", nginx.url(form.entry), "-map", "0:v", "-map", "0:a", "-c",
                        "copy", tmp_path / "copy.ts"], check=True)
        assert verify.same_units(read_units(short.ts), read_units(tmp_path / "copy.ts")) == []


def test_two_encodes_of_another_preset_have_other_parameter_sets(short):
    other = known_media.media(20, seed=2, preset="veryfast")
    assert packages.fmp4(short).pictures[0].header != packages.fmp4(other).pictures[0].header
