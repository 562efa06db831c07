"""Claims of runners on pieces of work."""

import pytest
from filelock import FileLock

from benchmark.results.locks import Claims

KEY = "0123456789abcdef0123"


def test_a_claim_whose_release_was_interrupted_can_be_released_again(tmp_path, monkeypatch):
    claims, others = Claims(tmp_path), Claims(tmp_path)
    release, interrupts = FileLock.release, [KeyboardInterrupt]

    def interrupted_release(self, force=False):
        if interrupts:
            raise interrupts.pop()
        release(self, force)

    monkeypatch.setattr(FileLock, "release", interrupted_release)
    assert claims.claim(KEY)
    with pytest.raises(KeyboardInterrupt):
        claims.release(KEY)
    claims.release(KEY)
    claims.release(KEY)
    assert others.claim(KEY)
    assert not claims.claim(KEY)
    others.release_all()
    assert not list((tmp_path / "claims").iterdir())
