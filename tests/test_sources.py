from pathlib import Path

from benchmark import sources

PLUGIN = """
from features.base import Extractor

class Mine(Extractor):
    def __init__(self, k=1):
        self.k = k

    def extract(self, batch):
        return batch.reshape(len(batch), -1) * self.k
"""


def test_changed_code_of_a_plug_in_or_of_what_it_imports_is_another_digest(tmp_path):
    file, helper = tmp_path / "plug.py", tmp_path / "helper.py"
    file.write_text(PLUGIN + "    def lazily(self):\n        import helper\n")
    helper.write_text("x = 1\n")
    first = sources.digest.__wrapped__(f"{file}:Mine")
    helper.write_text("x = 2\n")
    second = sources.digest.__wrapped__(f"{file}:Mine")
    assert first != second
    file.write_text(file.read_text() + "\n# other\n")
    assert sources.digest.__wrapped__(f"{file}:Mine") != second


def test_a_digest_follows_imports_inside_functions():
    followed = sources._followed(sources._source("models.cnn", Path(), ("models",)), "models")
    assert "training.py" in {file.name for file in followed}
