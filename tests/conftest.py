"""What every scenario and fault test shares: known media, an origin on it, a folder to record into."""
import os
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from judge import media as known_media  # noqa: E402
from judge import weir as runner  # noqa: E402
from judge.origin import Origin  # noqa: E402


@pytest.fixture(scope="session")
def media():
    """A minute of known media in segments of one second."""
    return known_media.media(60)


@pytest.fixture(scope="session")
def other_media():
    """Another half minute, for what a restarted encoder sends."""
    return known_media.media(30, seed=2)


@pytest.fixture
def make_origin(media):
    """Origins that end with the test. Without segments: the first 20 of the minute."""
    made = []

    def make(segments=None, **options) -> Origin:
        made.append(Origin(media.segments[:20] if segments is None else segments, **options))
        return made[-1]

    yield make
    for origin in made:
        origin.close()


@pytest.fixture
def recording(tmp_path):
    (tmp_path / "rec").mkdir()
    return runner.Recording(tmp_path / "rec")


def pytest_collection_modifyitems(config, items):
    shard, shards = map(int, os.environ.get("WEIR_SHARD", "1/1").split("/"))
    config.hook.pytest_deselected(items=[item for i, item in enumerate(items) if i % shards != shard - 1])
    items[:] = items[shard - 1::shards]
    product = Path(runner.binary()).exists()
    for item in items:
        if not product and "/judge/" not in str(item.path):
            item.add_marker(pytest.mark.skip(reason=f"no {runner.binary()}: build weir first, or set WEIR_BIN"))
