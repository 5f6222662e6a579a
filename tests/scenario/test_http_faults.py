"""F2 of the test matrix against the HLS follower: bad answers are ridden out, and the ledger says exactly what was lost."""
import time

import pytest

from judge import checks, faults
from judge.faults import status
from judge.media import Segment
from judge.weir import WHOLE, wait_until

PATIENCE = 120  # a stalled answer is given up after its own timer; the tests wait for that, not for a time


def record(recording, origin, *options, seconds=PATIENCE, **more):
    return recording.download(origin.url, "--from-start", *options, seconds=seconds, **more)


PASSING = [  # what a segment may answer and still be fetched whole later
    (status(403), 1), (status(404), 2), (status(429, retry_after=1), 1), (status(500), 3), (status(502), 3), (status(503), 3),
    (status(503, retry_after=1), 2), (status(408), 1), (faults.reset(), 2), (faults.reset(50_000), 2), (faults.cut(0), 1), (faults.cut(1), 1),
    (faults.cut(187), 1), (faults.cut(30_000), 2), (faults.wrong_length(1000), 1), (faults.stall(), 1), (faults.stall(40_000), 1),
    (faults.trickle(20), 1), (faults.redirect_loop(), 1), (faults.chunked(), 1), (faults.late(1.0), 1), (faults.gzip_bomb(600), 1),
]


@pytest.mark.parametrize("act, times", PASSING, ids=[f"{act.__name__} x{times}" for act, times in PASSING])
def test_F2_a_segment_that_fails_for_a_while_is_fetched_whole(make_origin, recording, act, times):
    origin = make_origin(window=100)
    fault = origin.fault(act, kind="segment", seq=106, times=times)
    weir = record(recording, origin)
    assert fault.hits == times
    checks.exact(recording, origin, weir)


@pytest.mark.parametrize("where", ["file:///etc/passwd", "gopher://127.0.0.1/x"])
def test_F2_a_segment_redirected_to_a_forbidden_place_is_refused_for_good_and_listed(make_origin, recording, where):
    origin = make_origin(window=100)
    origin.fault(faults.redirect(where), kind="segment", seq=106)
    weir = record(recording, origin)
    gap, = checks.exact(recording, origin, weir, lost={(0, 106)})["gaps"]
    assert "not allowed" in gap["why"]


PLAYLIST = [
    (status(403), 1), (status(404), 2), (status(429, retry_after=1), 1), (status(500), 2), (status(503), 3), (faults.reset(), 2),
    (faults.cut(60), 1), (faults.stall(), 1), (faults.garbage(), 1), (faults.shortened(30), 1), (faults.shortened(0), 1),
    (faults.redirect_loop(), 1), (faults.gzip_bomb(64), 1), (faults.huge_playlist(30), 1), (faults.gzipped(), 3), (faults.chunked(20), 3),
]


@pytest.mark.parametrize("act, times", PLAYLIST, ids=[f"{act.__name__} x{times}" for act, times in PLAYLIST])
def test_F2_a_playlist_that_fails_for_a_while_costs_nothing(make_origin, recording, act, times):
    origin = make_origin(window=100)
    fault = origin.fault(act, kind="playlist", times=times, skip=1)
    weir = record(recording, origin)
    assert fault.hits >= 1
    checks.exact(recording, origin, weir)


def test_FC2_62_one_502_on_the_playlist_does_not_split_the_recording(make_origin, recording):
    origin = make_origin(window=100)
    origin.fault(status(502), kind="playlist", skip=1)
    weir = record(recording, origin)
    checks.exact(recording, origin, weir)


def test_FC2_65_a_lost_fragment_is_listed_exactly_and_the_rest_is_there(make_origin, recording, media):
    origin = make_origin(media.segments[:32], pace=0.25, window=14)
    origin.fault(status(404), kind="segment", seq=[108, 113], times=None)
    weir = record(recording, origin)
    ledger = checks.exact(recording, origin, weir, lost={(0, 108), (0, 113)})
    assert all("404" in gap["why"] for gap in ledger["gaps"])


def test_FC2_65_losses_are_exit_code_3_when_strict(make_origin, recording, media):
    origin = make_origin(media.segments[:32], pace=0.25, window=14)
    origin.fault(status(404), kind="segment", seq=108, times=None)
    weir = record(recording, origin, "--strict", expect=3)
    checks.exact(recording, origin, weir, lost={(0, 108)})


def test_FC2_65_a_half_received_fragment_that_is_lost_is_a_gap(make_origin, recording, media):
    origin = make_origin(media.segments[:32], pace=0.25, window=14)
    origin.fault(faults.cut(188 * 200), kind="segment", seq=108, times=None)
    weir = record(recording, origin)
    checks.exact(recording, origin, weir, lost={(0, 108)})


def test_FC2_66_one_403_on_a_fragment_does_not_hang(make_origin, recording):
    origin = make_origin(window=100)
    origin.fault(status(403), kind="segment", seq=104)
    weir = record(recording, origin)
    checks.exact(recording, origin, weir)


def test_FC2_66_a_fragment_that_stays_forbidden_is_a_gap(make_origin, recording, media):
    origin = make_origin(media.segments[:32], pace=0.25, window=14)
    origin.fault(status(403), kind="segment", seq=109, times=None)
    weir = record(recording, origin)
    checks.exact(recording, origin, weir, lost={(0, 109)})


def test_the_origin_restarts_its_numbers_with_new_content(make_origin, recording, media, other_media):
    origin = make_origin(media.segments, window=100)
    with recording.start(origin.url, "--from-start") as weir:
        wait_until(lambda: len({r.seq for r in origin.asked()}) >= 10, 30, "ten segments")
        origin.freeze()
        wait_until(lambda: all(any(r.whole and r.seq == h.seq for r in origin.asked()) for h in origin.truth()), 30, "the window to be read")
        origin.restart(other_media.segments[:20], first=0)
        origin.go_on()
        weir.wait(60, WHOLE)
    checks.exact(recording, origin, weir)


def test_FC2_64_a_frozen_playlist_that_goes_on_loses_nothing(make_origin, recording):
    origin = make_origin(window=100)
    with recording.start(origin.url, "--from-start", "--idle-timeout", "30s") as weir:
        wait_until(lambda: origin.published() >= 8, 30, "the live")
        origin.freeze()
        time.sleep(4)
        origin.go_on()
        weir.wait(60, WHOLE)
    checks.exact(recording, origin, weir)


def test_FC2_64_a_frozen_playlist_ends_the_recording_after_the_idle_timeout(make_origin, recording):
    origin = make_origin(window=100, endlist=False)
    weir = record(recording, origin, "--idle-timeout", "3s", seconds=40)
    checks.exact(recording, origin, weir)
    assert [line["reason"] for line in recording.lines() if line["k"] == "end"] == ["idle"]


def test_FC2_60_T11_changed_addresses_of_the_same_fragments_repeat_nothing(make_origin, recording):
    origin = make_origin(window=100, fc2=True)
    with recording.start(origin.url, "--from-start") as weir:
        for worker in range(1076, 1079):
            seen = origin.published()
            wait_until(lambda: origin.published() >= seen + 4, 30, "the live")
            origin.worker = worker
        weir.wait(60, WHOLE)
    checks.exact(recording, origin, weir)
    assert len({r.seq for r in origin.asked()}) == len([r for r in origin.asked() if r.whole])


def test_FC2_67_an_expired_signed_address_is_read_anew_from_the_playlist(make_origin, recording):
    origin = make_origin(window=100, signed=True)
    # The address of 108 runs out before it is fetched, twice.
    def expire(x):
        x.origin.expire()
        status(403)(x)
    origin.fault(expire, kind="segment", seq=108, times=2)
    weir = record(recording, origin)
    checks.exact(recording, origin, weir)


def test_a_segment_cut_short_by_its_server_is_kept_as_handed_out(make_origin, recording):
    origin = make_origin(window=100)
    origin.fault(faults.shortened(188 * 300), kind="segment", seq=105)
    origin.fault(faults.shortened(188 * 300, say_length=False), kind="segment", seq=110)
    weir = record(recording, origin)
    checks.balanced(recording, origin, set(), weir.story())


def test_corrupt_bytes_inside_a_segment_do_not_stop_the_recording(make_origin, recording):
    origin = make_origin(window=100)
    origin.fault(faults.corrupt(188 * 120 + 50, 40), kind="segment", seq=105)
    weir = record(recording, origin)
    # One picture is spoilt; that it was handed out so is nobody's loss, and all others are there.
    checks.balanced(recording, origin, set(), weir.story())


def test_an_endless_segment_is_a_gap_and_the_recording_goes_on(make_origin, recording, media):
    origin = make_origin(media.segments[:40], pace=0.25, window=14)
    origin.fault(faults.endless(2 << 30), kind="segment", seq=108, times=None)
    weir = record(recording, origin, seconds=240)
    checks.exact(recording, origin, weir, lost={(0, 108)})


def test_discontinuities_are_marked_and_lose_nothing(make_origin, recording, media, other_media):
    mixed = media.segments[:8] + other_media.segments[:8] + media.segments[20:28]
    origin = make_origin(mixed, window=100)
    origin.mark_discontinuities(108, 116)
    weir = record(recording, origin)
    checks.exact(recording, origin, weir)


AES = [(status(403), "key", 1), (status(503), "key", 2), (faults.reset(), "key", 1), (faults.stall(), "key", 1),
       (faults.cut(4), "key", 1), (faults.shortened(7), "key", 1), (faults.cut(20_000), "segment", 1), (faults.shortened(20_001), "segment", 1)]


@pytest.mark.parametrize("act, kind, times", AES, ids=[f"{kind} {act.__name__}" for act, kind, _ in AES])
@pytest.mark.parametrize("explicit_iv", [False, True], ids=["iv by number", "iv given"])
def test_F2_encrypted_streams_ride_out_key_and_segment_faults(make_origin, recording, act, kind, times, explicit_iv):
    origin = make_origin(window=100, aes=True, explicit_iv=explicit_iv, keys_change_every=6)
    fault = origin.fault(act, kind=kind, times=times, skip=1)
    weir = record(recording, origin)
    assert fault.hits >= 1
    origin.altered.clear()  # a short ciphertext does not decrypt, so it cannot look whole
    checks.exact(recording, origin, weir)


def test_a_rendition_is_chosen_by_the_rule(make_origin, tmp_path, media):
    from judge import media as known_media
    from judge.weir import Recording

    small = known_media.media(30, seed=3, kbps=200)
    for wish, seed_segments in {"best": media.segments[:20], "worst": small.segments[:20], "360p": small.segments[:20],
                                "719p": small.segments[:20], "720p": media.segments[:20]}.items():
        (tmp_path / wish).mkdir()
        origin = make_origin(pace=0.02, window=100, renditions={"360p": small.segments[:20], "720p": media.segments[:20]})
        recording = Recording(tmp_path / wish)
        weir = record(recording, origin, "--quality", wish)
        origin.shows[0].segments = list(seed_segments)
        checks.exact(recording, origin, weir)


def test_the_live_edge_is_three_target_durations_back(make_origin, recording, media):
    origin = make_origin(media.segments[:40], initial=20, window=20, pace=0.2)
    weir = recording.download(origin.url)
    first = min(r.seq for r in origin.asked())
    assert 114 <= first <= 120, f"began at {first}"
    checks.exact(recording, origin, weir, from_=(0, first))


def test_variable_segment_lengths_are_no_matter(make_origin, recording, media):
    joined = [Segment(b"".join(s.body for s in media.segments[i:j]), float(j - i)) for i, j in ((0, 1), (1, 4), (4, 6), (6, 12), (12, 13), (13, 20))]
    origin = make_origin(joined, window=100)
    checks.exact(recording, origin, record(recording, origin))
