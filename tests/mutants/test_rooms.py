"""Which tests are asked about a module, and in which order."""

from tests.mutants.rooms import run_for


def test_a_folder_is_asked_file_by_file_and_what_is_named_first_comes_first() -> None:
    asked = run_for("repository/signing/trust.py")
    assert asked[:2] == ("tests/repository/test_journal.py", "tests/repository/test_trust.py")
    assert "tests/repository/test_catalogue.py" in asked
    assert (len({*asked}), {name[-3:] for name in asked}) == (len(asked), {".py"})
