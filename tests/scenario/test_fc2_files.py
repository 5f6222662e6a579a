"""The files of an FC2 recording: chat, info, thumbnail, forms and switches; and the name fc2-live-dl-go (FC2 sections 2.5, 2.6, 6)."""
import json
import os
import signal

import pytest

from judge import faults, verify
from judge.faults import status
from judge.fc2_answers import JPEG
from judge.fc2_channel import Shape, comment
from judge.fc2_run import CHANNEL, case, lines_with, segments_fetched, summaries  # noqa: F401
from judge.units import AUDIO, VIDEO, of_kind, read_ts, read_units
from judge.weir import WHOLE, WRONG_USE, binary, run, wait_until

KEYS = ("user_name", "comment", "timestamp", "encrypted_user_id", "orz_token", "hash", "color", "size", "lang", "anonymous", "history")


def go_json(value, **form):
    """As encoding/json writes it."""
    text = json.dumps(value, ensure_ascii=False, **form)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def chat_line(made):
    return go_json({key: made[key] for key in KEYS}, separators=(",", ":"))


def chat(case, name="out"):
    return (case.folder / f"{name}.fc2chat.json").read_text().splitlines()


def test_FC2_51_the_chat_is_one_object_a_line_each_told_once(case):
    channel = case.fake.channel(CHANNEL)
    channel.history = [comment("earlier", history=1)]
    said = comment("<b>hello</b> & こん", 1700000001)
    live = channel.begin(Shape(seconds=24))
    with case.start("--write-chat") as weir:
        segments_fetched(case, 4)
        channel.comment(said)
        channel.comment(said, said)
        channel.comment(comment("later", 1700000009))
        weir.wait(60, WHOLE)
    case.exact(live, weir)
    wanted = [comment("earlier", history=1), said, comment("later", 1700000009)]
    assert chat(case) == [chat_line(c) for c in wanted], weir.story()


def test_FC2_30_replays_after_a_reconnect_are_not_written_again(case):
    channel = case.fake.channel(CHANNEL)
    live = channel.begin(Shape(seconds=40, window=60))
    with case.start("--write-chat") as weir:
        segments_fetched(case, 4)
        for number in range(5):
            channel.comment(comment(f"comment {number}", 1700000000 + number))
        channel.sessions()[0].cut("rst")
        wait_until(lambda: len(case.fake.sessions()) >= 2 and case.fake.sessions()[-1].received, 60, "a new session")
        channel.comment(comment("after", 1700000010))
        weir.wait(60, WHOLE)
    case.exact(live, weir)
    assert [json.loads(line)["comment"] for line in chat(case)] == [*(f"comment {n}" for n in range(5)), "after"]


def test_chat_goes_on_in_the_same_file_after_a_kill(case):
    channel = case.fake.channel(CHANNEL)
    live = channel.begin(Shape(seconds=40, window=60))
    with case.start("--write-chat") as weir:
        segments_fetched(case, 4)
        channel.comment(comment("one", 1700000001))
        wait_until(lambda: (case.folder / "out.fc2chat.json").exists() and chat(case), 20, "the line")
        weir.kill()
    with case.start("--write-chat") as weir:
        wait_until(lambda: len(case.fake.sessions()) >= 2 and case.fake.sessions()[-1].received, 30, "a new session")
        channel.comment(comment("two", 1700000002))
        weir.wait(60, WHOLE)
    case.exact(live, weir)
    assert [json.loads(line)["comment"] for line in chat(case)][:1] == ["one"]
    assert sorted({json.loads(line)["comment"] for line in chat(case)}) == ["one", "two"]


def test_FC2_28_comments_of_other_kinds_are_kept_as_far_as_they_go(case):
    channel = case.fake.channel(CHANNEL)
    live = channel.begin(Shape())
    odd = {"user_name": "viewer", "comment": "odd", "timestamp": "1700000002", "color": 16777215, "new_field": {"x": [1]}, "anonymous": None}
    with case.start("--write-chat") as weir:
        segments_fetched(case, 4)
        channel.comment(odd, comment("fine", 1700000003))
        weir.wait(60, WHOLE)
    case.exact(live, weir)
    first, second = map(json.loads, chat(case))
    assert first["comment"] == "odd" and first["timestamp"] == 1700000002 and first["lang"] == "" and tuple(first)[:11] == KEYS
    assert second["comment"] == "fine"


def test_without_the_switch_nothing_lies_beside(case):
    channel = case.fake.channel(CHANNEL)
    channel.history = [comment("earlier", history=1)]
    live = channel.begin(Shape(seconds=8))
    case.exact(live, case.download())
    assert case.left() == ["out.mp4", "out.weir.jsonl"]


def test_FC2_48_the_info_file_has_every_key_in_order(case):
    channel = case.fake.channel(CHANNEL, name="Name & Co")
    live = channel.begin(Shape(seconds=8), title='<b>"A" & B\'s</b> ライブ')
    weir = case.download("--write-info-json")
    case.exact(live, weir)
    text = (case.folder / "out.info.json").read_text()
    assert text.endswith("}\n") and '\n  "channel_data": {\n    "channelid": "' + CHANNEL + '",\n' in text
    assert "<" not in text and ">" not in text and "&" not in text
    info = json.loads(text)
    assert tuple(info) == ("channel_data", "profile_data", "user_data")
    assert info["channel_data"]["title"] == '<b>"A" & B\'s</b> ライブ' and info["profile_data"]["name"] == "Name & Co"
    wanted = ["channelid", "userid", "adult", "twoshot", "title", "info", "image", "login_only", "gift_limit", "gift_list", "comment_limit", "tfollow",
              "tname", "fee", "amount", "interval", "category", "category_name", "is_official", "is_premium_publisher", "is_link_share", "ticketid",
              "is_premium", "ticket_price", "ticket_only", "is_app", "is_video", "is_rest", "count", "is_publish", "is_limited", "start", "version",
              "fc2_channel"]
    assert [key for key in info["channel_data"] if key in wanted] == wanted


def test_FC2_49_the_thumbnail_has_its_true_ending(case):
    live = case.fake.channel(CHANNEL).begin(Shape(seconds=8))
    weir = case.download("--write-thumbnail")
    case.exact(live, weir)
    assert (case.folder / "out.jpg").read_bytes() == JPEG
    assert summaries(weir)[0]["thumbnail"] == str(case.folder / "out.jpg")


@pytest.mark.parametrize("act", [status(404), faults.garbage(), faults.stall()], ids=lambda act: act.__name__)
def test_FC2_49_a_thumbnail_that_is_none_is_not_kept_and_holds_nothing_up(case, act):
    live = case.fake.channel(CHANNEL).begin(Shape(seconds=12, window=60))
    case.fake.fault(act, kind="thumb", times=None)
    weir = case.download("--write-thumbnail", seconds=90)
    case.exact(live, weir)
    assert case.left() == ["out.mp4", "out.weir.jsonl"] and lines_with(weir, "thumbnail"), weir.story()


def test_all_of_one_live_share_their_number(case):
    channel = case.fake.channel(CHANNEL)
    (case.folder / "out.mp4").write_text("mine")
    live = channel.begin(Shape(seconds=8))
    weir = case.download("--write-chat", "--write-info-json", "--write-thumbnail", "-x")
    case.exact(live, weir, name="out.1", alone=False)
    assert (case.folder / "out.mp4").read_text() == "mine"
    assert case.left() == sorted(["out.mp4"] + [f"out.1.{e}" for e in ("fc2chat.json", "info.json", "jpg", "m4a", "mp4", "weir.jsonl")])


# ---------------------------------------------------------------- switches

def test_FC2_104_no_remux_keeps_the_ts(case):
    live = case.fake.channel(CHANNEL).begin(Shape(seconds=8))
    weir = case.download("--no-remux")
    came = b"".join(handed.segment.body for handed in live.truth())
    made = (case.folder / "out.ts").read_bytes()
    assert made.endswith(came) and len(made) - len(came) <= 10 * 188, weir.story()
    assert case.left() == ["out.ts", "out.weir.jsonl"]


def test_keep_intermediates_keeps_the_ts_beside(case):
    live = case.fake.channel(CHANNEL).begin(Shape(seconds=8))
    weir = case.download("-k")
    case.exact(live, weir, alone=False)
    kept, = [n for n in case.left() if n.endswith(".ts")]
    assert verify.same_units([u for h in live.truth() for u in h.segment.units], read_ts((case.folder / kept).read_bytes())) == [], weir.story()


@pytest.mark.parametrize("form, magic", [("mkv", b"\x1a\x45\xdf\xa3"), ("MP4", None)])
def test_remux_format(case, form, magic):
    case.fake.channel(CHANNEL).begin(Shape(seconds=8))
    weir = case.download("--remux-format", form)
    made = case.folder / f"out.{form.lower()}"
    assert made.exists() and (magic is None or made.read_bytes().startswith(magic)), weir.story()
    run("verify", made, cwd=case.folder, expect=WHOLE)


def test_extract_audio_makes_the_sound_apart(case):
    live = case.fake.channel(CHANNEL).begin(Shape(seconds=8))
    weir = case.download("-x")
    assert case.left() == ["out.m4a", "out.mp4", "out.weir.jsonl"], weir.story()
    sound, both = read_units(case.folder / "out.m4a"), read_units(case.folder / "out.mp4")
    assert [u.digest for u in sound] == [u.digest for u in of_kind(both, AUDIO)] and len(sound) > 200
    case.exact(live, weir, alone=False)


def test_FC2_92_concat_joins_the_parts_of_a_live_and_of_no_other(case):
    live = case.fake.channel(CHANNEL).begin(Shape(stays=True, seconds=60))
    other = case.fake.channel("5").begin(Shape(seconds=5, skip=30))
    with case.start("--concat", "-x") as weir:
        segments_fetched(case, 8)
        weir.signal(signal.SIGTERM)
        weir.wait(5, WHOLE)
    case.exact(other, case.download("--concat", name="out and more.{{ .Ext }}", channel="5"), name="out and more", alone=False)
    live.skip(14)
    with case.start("--concat", "-x") as weir:
        segments_fetched(case, 24)
        live.end()
        weir.wait(60, WHOLE)
    assert {"out.mp4", "out.1.mp4", "out.combined.mp4", "out.combined.m4a"} <= set(case.left()), f"{case.left()}\n{weir.story()}"
    parts = [read_units(case.folder / name) for name in ("out.mp4", "out.1.mp4")]
    joined = read_units(case.folder / "out.combined.mp4")
    for kind in (VIDEO, AUDIO):
        assert [u.digest for u in of_kind(joined, kind)] == [u.digest for part in parts for u in of_kind(part, kind)], weir.story()
    sound = read_units(case.folder / "out.combined.m4a")
    assert [u.digest for u in sound] == [u.digest for u in of_kind(joined, AUDIO)]


def hollow(x):
    """Packets and tables in order, and nothing in them that is a stream."""
    body = bytearray(x.body)
    for at in range(0, len(body), 188):
        pid = (body[at + 1] & 0x1F) << 8 | body[at + 2]
        if pid not in (0, 0x11, 0x1000):
            body[at + 1] &= 0xBF
            body[at + 3] = 0x10 | body[at + 3] & 0xF
            body[at + 4:at + 188] = b"\xff" * 184
    x.handed_out(bytes(body))
    x.send(x.head(len(body)) + body)


@pytest.mark.parametrize("keep", [False, True], ids=["by itself", "no_delete_corrupted"])
def test_FC2_53_104_a_recording_of_nothing_goes_or_stays(case, keep):
    case.fake.channel(CHANNEL).begin(Shape(seconds=6))
    case.fake.fault(hollow, kind="segment", times=None)
    with case.start(*(["--no-delete-corrupted"] if keep else []), "--max-tries", "1") as weir:
        weir.wait(60)
    kept = [n for n in case.left() if n.endswith(".ts")]
    assert bool(kept) == keep, f"{case.left()}\n{weir.story()}"


def test_labels_and_metadata_make_the_name(case):
    live = case.fake.channel(CHANNEL, name="N").begin(Shape(seconds=6), title="T/U")
    weir = case.download("--label", "team=red/../../x", name="{{ .Labels.team }}/{{ .MetaData.ChannelData.Title }} {{ .Metadata.ProfileData.Name }}.{{ .Ext }}")
    made, = [n for n in case.left() if n.endswith(".mp4")]
    assert made.endswith("/T_U N.mp4") and made.startswith("red"), f"{made}\n{weir.story()}"
    assert not (case.folder.parent / "x").exists()


@pytest.mark.parametrize("options", [["--quality", "3mbps"], ["--latency", "none"], ["--label", "x"], ["--format", "{{ .Nonsense }}"],
                                     ["--poll-interval", "soon"], ["--remux-format", "exe"], ["--max-tries", "0"], ["--wait-for-quality-max-tries", "0"]],
                         ids=lambda o: " ".join(o))
def test_wrong_values_are_wrong_use_in_one_line(case, options):
    with case.run("fc2", "download", *options, CHANNEL) as weir:
        weir.wait(10, WRONG_USE)
    assert options[0].lstrip("-") in weir.check_one_clear_line()
    assert case.fake.asked() == [] and case.left() == []


def test_a_channel_that_is_none_is_wrong_use(case):
    case.download(channel="https://example.org/1", expect=WRONG_USE, seconds=10).check_one_clear_line()


# ---------------------------------------------------------------- the other name

@pytest.fixture
def go_name(case, monkeypatch):
    """Runs through a link of the name of the program that weir takes the place of."""
    link = case.inputs / "fc2-live-dl-go"
    link.symlink_to(os.path.realpath(binary()))

    def start(*arguments):
        with monkeypatch.context() as patch:
            patch.setenv("WEIR_BIN", str(link))
            return case.run(*arguments)
    return start


def test_FC2_101_103_the_link_takes_the_other_programs_command_line(case, go_name):
    live = case.fake.channel(CHANNEL).begin(Shape(seconds=8))
    arguments = ["--debug", "download", "--quality", "3Mbps", "--latency", "mid", "--max-packet-loss", "20", "--write-chat", "--write-info-json",
                 "--write-thumbnail", "--wait-for-quality-max-tries", "60", "--poll-interval", "1s", "--max-tries", "10", "--eligible-for-cleaning-age",
                 "48h", "--concat=false", "--format", "out.{{ .Ext }}", CHANNEL]
    with go_name(*arguments) as weir:
        weir.wait(60, WHOLE)
    case.exact(live, weir)
    assert {"out.info.json", "out.jpg"} <= set(case.left())


@pytest.mark.parametrize("arguments, code", [(["--version"], 0), (["--help"], 0), (["help"], 0), (["download", "--help"], 0), (["download"], None),
                                             (["nonsense"], None), (["watch"], None)], ids=lambda a: " ".join(a) if isinstance(a, list) else str(a))
def test_the_link_helps_and_refuses(case, go_name, arguments, code):
    with go_name(*arguments) as weir:
        weir.wait(10)
    assert (weir.process.returncode == 0) == (code == 0), weir.story()


def test_the_link_joins_and_remuxes(case, go_name, media):
    (case.folder / "a.ts").write_bytes(b"".join(s.body for s in media.segments[:3]))
    (case.folder / "b.ts").write_bytes(b"".join(s.body for s in media.segments[3:6]))
    with go_name("remux", "-x", "a.ts") as weir:
        weir.wait(30, WHOLE)
    with go_name("concat", "a.ts", "b.ts") as weir:
        weir.wait(30, WHOLE)
    assert {"a.mp4", "a.m4a"} <= set(case.left()) and len([n for n in case.left() if n.endswith(".mp4")]) == 2, case.left()
