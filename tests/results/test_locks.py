"""Claims on pieces of work."""

import pytest
from filelock import FileLock

from benchmark.results.locks import Claims

KEY = "0123456789abcdef0123"


def test_a_claim_is_given_back_also_when_it_was_interrupted_on_the_way(tmp_path, monkeypatch):
    claims, others = Claims(tmp_path), Claims(tmp_path)
    release, interrupts = FileLock.release, [KeyboardInterrupt]

    def interrupted(self, force=False):
        if interrupts:
            raise interrupts.pop()
        release(self, force)

    monkeypatch.setattr(FileLock, "release", interrupted)
    assert claims.claim(KEY)
    with pytest.raises(KeyboardInterrupt):
        claims.release(KEY)
    claims.release(KEY)
    claims.release(KEY)
    assert others.claim(KEY)
    assert not claims.claim(KEY)
    others.release_all()
    assert not list((tmp_path / "claims").iterdir())
