"""A live made by Debian's ffmpeg and served by Debian's nginx, plain and encrypted at the same time, is recorded exactly.

WEIR_LIVE_SECONDS sets the length: 60 in `make test`, 600 in `make soak`.
"""
import os

import pytest

from judge import media as known_media
from judge import verify
from judge.media import RATE
from judge.nginx import Form, LiveEncoder, Nginx
from judge.units import read_units
from judge.weir import WHOLE, Recording

SECONDS = int(os.environ.get("WEIR_LIVE_SECONDS", "60"))
KINDS = {"plain": Form(), "aes128": Form(aes=True)}


@pytest.fixture(scope="module")
def source():
    return known_media.media(SECONDS)


@pytest.fixture(scope="module")
def recorded(source, tmp_path_factory):
    """Both lives, recorded in parallel: kind → (recording, run)."""
    home = tmp_path_factory.mktemp("live")
    done = {}
    with Nginx(home / "nginx", home / "www") as nginx:
        encoders = {kind: LiveEncoder(source.ts, home / "www" / kind, form=form) for kind, form in KINDS.items()}
        try:
            for kind, encoder in encoders.items():
                encoder.wait_for_playlist()
                (home / kind).mkdir()
                recording = Recording(home / kind)
                done[kind] = recording, recording.start(nginx.url(f"{kind}/live.m3u8"), "--from-start")
            for _, weir in done.values():
                with weir:
                    weir.wait(SECONDS * 1.5 + 60)
        finally:
            for encoder in encoders.values():
                encoder.__exit__()
        done["handed out"] = nginx.handed_out()
    return done


@pytest.mark.parametrize("kind", KINDS)
def test_live_recording_is_unit_exact(recorded, source, kind):
    recording, weir = recorded[kind]
    assert weir.process.returncode == WHOLE, weir.story()
    assert verify.same_units(read_units(source.ts), read_units(recording.file)) == []
    segments = weir.summary()["segments"]
    assert segments["asked"] == segments["got"] == len(source.segments) and segments["missing"] == 0
    assert recording.ledger(WHOLE)["gaps"] == []
    assert recording.others() == []


@pytest.mark.parametrize("kind", KINDS)
def test_live_recording_is_frame_exact(recorded, kind):
    recording, _ = recorded[kind]
    assert verify.decoded(recording.file, range(SECONDS * RATE)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_FC2_56_each_segment_is_fetched_once(recorded, source, kind):
    fetched = [path for status, _, path in recorded["handed out"] if path.startswith(f"/{kind}/") and path.endswith(".ts") and status == 200]
    assert len(fetched) == len(set(fetched)) == len(source.segments)


@pytest.mark.parametrize("kind", KINDS)
def test_FC2_57_the_playlist_is_asked_at_the_pace_the_standard_allows(recorded, kind):
    asked = [path for _, _, path in recorded["handed out"] if path == f"/{kind}/live.m3u8"]
    assert SECONDS / 2 <= len(asked) <= SECONDS * 2.2 + 5


@pytest.mark.parametrize("kind", KINDS)
def test_no_descriptor_piles_up(recorded, kind):
    assert recorded[kind][1].peak_descriptors < 48
