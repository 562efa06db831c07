"""The digest of a plug-in covers its code and the code that it imports."""

from pathlib import Path

from benchmark.plugins import source_digest


def test_changed_code_of_a_plug_in_or_of_its_imports_changes_the_digest(tmp_path, plugin_text):
    file, helper = tmp_path / "plug.py", tmp_path / "helper.py"
    file.write_text(plugin_text + "    def lazily(self):\n        import helper\n")
    helper.write_text("x = 1\n")
    first = source_digest.digest_source.__wrapped__(f"{file}:Mine")
    helper.write_text("x = 2\n")
    second = source_digest.digest_source.__wrapped__(f"{file}:Mine")
    assert first != second
    file.write_text(file.read_text() + "\n# other\n")
    assert source_digest.digest_source.__wrapped__(f"{file}:Mine") != second


def test_a_digest_follows_imports_inside_functions():
    followed = source_digest._follow_imports(
        source_digest._find_module_file("models.cnn", Path(), ("models",)), "models"
    )
    assert "training.py" in {file.name for file in followed}
