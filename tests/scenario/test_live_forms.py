"""Every form of live HLS is recorded exactly: by ffmpeg and nginx all at once, then by the fake origin, which also has the forms that
ffmpeg does not make (packed audio, changes of the header, encrypted fMP4, IVS) and which fails as told.

WEIR_LIVE_SECONDS sets the length of the first: 20 in `make test`, 600 in `make soak`.
"""
import os

import pytest

from judge import checks, faults, packages, verify
from judge import media as known_media
from judge.faults import status
from judge.form_origin import FormOrigin
from judge.media import RATE
from judge.nginx import Form, LiveEncoder, Nginx
from judge.proxy import Cut, FaultProxy
from judge.units import AUDIO, VIDEO, of_kind, read_units
from judge.weir import WHOLE, Recording, kill_at_bytes, wait_until

SECONDS = int(os.environ.get("WEIR_LIVE_SECONDS", "20"))
LIVE = {"fmp4": Form(fmp4=True), "fmp4_audio": Form(fmp4=True, audio=True), "ts_audio": Form(audio=True), "ts_ranges": Form(ranges=True),
        "fmp4_ranges": Form(fmp4=True, ranges=True)}


@pytest.fixture(scope="module")
def source():
    return known_media.media(SECONDS)


@pytest.fixture(scope="module")
def recorded(source, tmp_path_factory):
    """All lives, recorded in parallel: kind → (recording, run)."""
    home = tmp_path_factory.mktemp("forms")
    done = {}
    with Nginx(home / "nginx", home / "www") as nginx:
        encoders = {kind: LiveEncoder(source.ts, home / "www" / kind, form=form) for kind, form in LIVE.items()}
        try:
            for kind, encoder in encoders.items():
                encoder.wait_for_playlist()
                (home / kind).mkdir()
                recording = Recording(home / kind)
                done[kind] = recording, recording.start(nginx.url(f"{kind}/{LIVE[kind].entry}"), "--from-start")
            for _, weir in done.values():
                try:
                    weir.wait(SECONDS * 1.5 + 60)
                except AssertionError:
                    pass  # that form's own tests say so
        finally:
            for encoder in encoders.values():
                encoder.__exit__()
            for _, weir in done.values():
                weir.kill()
        done["handed out"] = nginx.handed_out()
    return done


@pytest.mark.parametrize("kind", LIVE)
def test_a_live_of_each_form_is_unit_exact(recorded, source, kind):
    recording, weir = recorded[kind]
    assert weir.process.returncode == WHOLE, weir.story()
    weir.check_nothing_left()
    complaints = verify.same_units(read_units(source.ts), read_units(recording.file))
    assert complaints == [], f"{complaints}\n{weir.story()}"
    segments = weir.summary()["segments"]
    assert segments["asked"] == segments["got"] >= len(source.segments) and segments["missing"] == 0
    assert recording.ledger(WHOLE)["gaps"] == [] and recording.others() == []


@pytest.mark.parametrize("kind", LIVE)
def test_sound_stays_with_the_picture_by_number_and_beep(recorded, kind):
    recording, weir = recorded[kind]
    assert weir.process.returncode == WHOLE, weir.story()
    assert verify.decoded(recording.file, range(SECONDS * RATE)) == []


@pytest.mark.parametrize("kind", [kind for kind, form in LIVE.items() if not form.ranges])
def test_each_segment_and_each_header_is_fetched_once(recorded, kind):
    got = [path for code, _, path in recorded["handed out"] if path.startswith(f"/{kind}/") and not path.endswith("m3u8") and code == 200]
    assert len(got) == len(set(got)) >= SECONDS


@pytest.mark.parametrize("kind", LIVE)
def test_no_descriptor_piles_up(recorded, kind):
    assert recorded[kind][1].peak_descriptors < 64


# ---------------------------------------------------------------- forms of the fake origin

FORMS = {"ts_ranges": (packages.ts, {"ranges": True}), "ivs_ts": (packages.ts, {"ivs": True}), "fmp4": (packages.fmp4, {}), "small_fragments": (packages.fmp4_in_small_fragments, {}),
         "fmp4_audio": (packages.fmp4_with_audio, {}), "ts_audio": (packages.ts_with_audio, {}),
         "packed_audio": (packages.with_packed_audio, {}), "only_packed_audio": (packages.only_packed_audio, {}),
         "fmp4_ranges": (packages.fmp4, {"ranges": True}), "fmp4_audio_ranges": (packages.fmp4_with_audio, {"ranges": True}),
         "fmp4_aes": (packages.fmp4, {"aes": True}), "fmp4_audio_aes": (packages.fmp4_with_audio, {"aes": True, "keys_change_every": 5}),
         "fmp4_aes_header_too": (packages.fmp4, {"aes": True, "explicit_iv": True, "keyed_header": True}),
         "ivs": (packages.fmp4, {"ivs": True}), "ivs_audio": (packages.fmp4_with_audio, {"ivs": True})}


@pytest.fixture
def form_origin():
    made = []

    def make(package, **options):
        made.append(FormOrigin(package, **{"pace": 0.15, "window": 100, **options}))
        return made[-1]

    yield make
    for origin in made:
        origin.close()


@pytest.fixture(scope="module")
def minute():
    return known_media.media(60)


@pytest.fixture(scope="module")
def half_minute():
    """What comes after a discontinuity."""
    return known_media.media(30, seed=2)


@pytest.mark.parametrize("name", FORMS)
def test_each_form_of_the_origin_is_exact(form_origin, recording, minute, name):
    maker, options = FORMS[name]
    origin = form_origin(maker(minute).part(0, 20), window=12, **options)
    weir = recording.download(origin.url, "--from-start")
    checks.exact_in_lanes(recording, origin, weir)
    for lane in origin.lanes():
        fetched = [r.seq for r in origin.asked() if r.whole and f"/{lane}" in r.path]
        assert sorted(fetched) == list(range(100, 120)), f"{lane}\n{weir.story()}"


@pytest.mark.parametrize("name", ["fmp4", "packed_audio", "fmp4_audio"])
def test_from_the_middle_of_a_live_both_lanes_begin_together(form_origin, recording, minute, name):
    """At the live edge, not from the start."""
    origin = form_origin(FORMS[name][0](minute).part(0, 20), initial=8, pace=0.4)
    weir = recording.download(origin.url)
    recording.ledger(WHOLE)
    units = read_units(recording.file)
    pictures, sounds = of_kind(units, VIDEO), of_kind(units, AUDIO)
    assert pictures and sounds and abs(pictures[0].pts - sounds[0].pts) < 1.1, weir.story()
    first = {kind: next(h.seq for h in handed if of_kind(h.segment.units, kind)[0].digest == of_kind(units, kind)[0].digest)
             for kind, handed in origin.truth_by_kind().items()}
    assert first[VIDEO] == first[AUDIO] > 100, weir.story()
    truth = {kind: [h for h in handed if h.seq >= first[kind]] for kind, handed in origin.truth_by_kind().items()}
    assert verify.delivery_of_lanes(truth, units, {VIDEO: set(), AUDIO: set()}).complaints() == [], weir.story()


JOINED = {"ts": packages.ts, "fmp4": packages.fmp4, "fmp4_audio": packages.fmp4_with_audio, "ts_audio": packages.ts_with_audio,
          "packed_audio": packages.with_packed_audio}


def joined(maker, first, second):
    """Seconds 10 to 19 of one and 0 to 7 of the other: the timestamps jump back, and no frame number comes twice."""
    return maker(first).part(10, 20) + maker(second).part(0, 8)


@pytest.mark.parametrize("name", JOINED)
def test_timestamps_that_jump_back_at_a_discontinuity(form_origin, recording, minute, half_minute, name):
    origin = form_origin(joined(JOINED[name], minute, half_minute), discontinuities=[110])
    weir = recording.download(origin.url, "--from-start")
    checks.exact_in_lanes(recording, origin, weir)
    complaints = verify.decoded(recording.file, [*range(10 * RATE, 20 * RATE), *range(8 * RATE)])
    assert complaints == [], f"{complaints}\n{weir.story()}"
    assert abs(weir.summary()["duration_s"] - 18) < 0.5, weir.story()


@pytest.mark.parametrize("name", ["ts", "fmp4", "fmp4_audio"])
def test_a_discontinuity_with_other_parameter_sets(form_origin, recording, minute, name):
    """Another EXT-X-MAP in fMP4; in TS the parameter sets of the second encode come in the stream."""
    other = known_media.media(20, seed=2, preset="veryfast")
    origin = form_origin(joined(JOINED[name], minute, other), discontinuities=[110])
    weir = recording.download(origin.url, "--from-start")
    checks.exact_in_lanes(recording, origin, weir)
    complaints = verify.decoded(recording.file, [*range(10 * RATE, 20 * RATE), *range(8 * RATE)])
    assert complaints == [], f"{complaints}\n{weir.story()}"


# ---------------------------------------------------------------- faults, with sound in a lane of its own

def test_a_burst_of_503_and_cut_connections_lose_nothing(form_origin, recording, minute):
    origin = form_origin(packages.fmp4_with_audio(minute).part(0, 20))
    burst = [origin.fault(status(503), kind="segment", seq=range(104, 108), path=lane, times=8) for lane in ("live", "sound")]
    origin.fault(faults.cut(5000), kind="segment", seq=112, path="sound", times=2)
    origin.fault(faults.cut(30_000), kind="segment", seq=113, path="live", times=2)
    with FaultProxy(("127.0.0.1", origin.port)) as gate:
        gate.always = Cut(250_000)
        weir = recording.download(gate.url("/master.m3u8"), "--from-start", seconds=120)
    assert all(fault.hits == 8 for fault in burst)
    checks.exact_in_lanes(recording, origin, weir)


@pytest.mark.parametrize("lost", [{"sound": {106, 107}}, {"live": {108}}, {"live": {105}, "sound": {105}}], ids=str)
def test_what_one_lane_loses_is_listed_for_that_lane_and_the_other_is_whole(form_origin, recording, minute, lost):
    origin = form_origin(packages.fmp4_with_audio(minute).part(0, 32), pace=0.25, window=14)
    for lane, seqs in lost.items():
        origin.fault(status(404), kind="segment", seq=seqs, path=lane, times=None)
    weir = recording.download(origin.url, "--from-start", seconds=120)
    checks.exact_in_lanes(recording, origin, weir, lost=lost)
    assert abs(weir.summary()["duration_s"] - 32) < 1, "a gap keeps its length in the file's time\n" + weir.story()


def test_a_header_that_fails_for_a_while_costs_nothing(form_origin, recording, minute):
    origin = form_origin(packages.fmp4_with_audio(minute).part(0, 12))
    fault = origin.fault(status(503), kind="map", times=3)
    weir = recording.download(origin.url, "--from-start")
    assert fault.hits == 3
    checks.exact_in_lanes(recording, origin, weir)


@pytest.mark.parametrize("act", [faults.shortened(200), faults.status(200), faults.corrupt(4, 4)], ids=lambda act: act.__name__)
def test_a_header_that_is_broken_once_is_fetched_again_or_refused_in_words(form_origin, recording, minute, act):
    origin = form_origin(packages.fmp4(minute).part(0, 12))
    origin.fault(act, kind="map", times=1)
    with recording.start(origin.url, "--from-start", "--idle-timeout", "5s") as weir:
        code = weir.wait(60)
    if code == WHOLE:
        checks.exact_in_lanes(recording, origin, weir)
    else:
        weir.check_one_clear_line()


@pytest.mark.parametrize("name", ["fmp4_audio", "small_fragments", "packed_audio"])
def test_killed_in_the_middle_nothing_is_missing_while_the_window_is_open(form_origin, recording, minute, name):
    origin = form_origin(FORMS[name][0](minute).part(0, 20))
    size = sum(len(s.body) for s in origin.package.pictures)
    for share in (0.2, 0.55):
        with recording.start(origin.url, "--from-start") as weir:
            assert kill_at_bytes(weir, recording, int(size * share), 60), weir.story()
    weir = recording.download(origin.url, "--from-start", seconds=90)
    checks.exact_in_lanes(recording, origin, None)
    assert verify.decoded(recording.file, range(20 * RATE)) == [], weir.story()


def test_killed_and_the_window_gone_both_lanes_list_what_they_lost(form_origin, recording, minute):
    origin = form_origin(packages.fmp4_with_audio(minute).part(0, 50), pace=0.2, window=12)
    with recording.start(origin.url, "--from-start") as weir:
        assert kill_at_bytes(weir, recording, 700_000, 60), weir.story()
    origin.skip(20)
    wait_until(lambda: origin.published() >= 30, 30, "the window to pass")
    weir = recording.download(origin.url, "--from-start", seconds=90)
    ledger = recording.ledger(None)
    gaps = {kind: verify.gap_places(ledger, lane) for lane, kind in enumerate((VIDEO, AUDIO))}
    assert all(len(places) >= 5 for places in gaps.values()), weir.story()
    complaints = verify.delivery_of_lanes(origin.truth_by_kind(), read_units(recording.file), gaps).complaints()
    assert complaints == [], f"{complaints}\n{weir.story()}"
    assert abs(weir.summary()["duration_s"] - 50) < 2, "a gap keeps its length in the file's time\n" + weir.story()
    recording.ledger(3)
