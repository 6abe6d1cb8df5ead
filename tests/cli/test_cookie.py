"""`dnsctl key cookie`: three steps, in order, none too early, and nothing lost by hand-made files."""

import os
import time
from pathlib import Path

import pytest

from dnsctl.serve.message.cookies import read_secrets
from tests.cli.shell import dnsctl, repo

OLD = "11" * 16


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = repo(tmp_path)
    (made / "keys").mkdir()
    (made / "keys" / "cookie.secret").write_text(OLD + "\n")
    return made


def test_secret_is_rolled_in_three_steps_the_last_an_hour_later(root: Path):
    file = root / "keys" / "cookie.secret"
    (old,) = read_secrets(file)
    assert "step 1 of 3" in dnsctl("key", "cookie", root=root).out
    assert read_secrets(file)[0] == old
    new = read_secrets(file)[1]
    assert "step 2 of 3" in dnsctl("key", "cookie", root=root).out
    assert read_secrets(file) == (new, old)
    told = dnsctl("key", "cookie", root=root)
    assert (told.code, read_secrets(file)) == (1, (new, old))
    assert "run this again in 60 minutes" in told.line
    os.utime(file, (time.time(), time.time() - 3601))
    assert "step 3 of 3" in dnsctl("key", "cookie", root=root).out
    assert read_secrets(file) == (new,)
    assert file.stat().st_mode & 0o777 == 0o600


def test_json_tells_the_step_and_no_secret(root: Path):
    told = dnsctl("key", "cookie", "--json", root=root)
    assert told.json == {
        "file": "keys/cookie.secret",
        "step": 1,
        "steps": 3,
        "meaning": "a new secret is accepted",
    }
    assert dnsctl("key", "cookie", "--json", root=root).json["step"] == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{OLD}\n{OLD}\n", "was changed by hand"),
        (f"{OLD}\n{OLD} # next\n{OLD}\n", "was changed by hand"),
        ("odd\n", "holds something other than a cookie secret"),
        ("", "does not hold 1 to 4 secrets"),
    ],
)
def test_file_that_is_not_of_its_making_is_left_alone(root: Path, content: str, message: str):
    file = root / "keys" / "cookie.secret"
    file.write_text(content)
    told = dnsctl("key", "cookie", root=root)
    assert (told.code, file.read_text()) == (1, content)
    assert message in told.line


def test_missing_file_is_told(root: Path):
    (root / "keys" / "cookie.secret").unlink()
    assert "No such file" in dnsctl("key", "cookie", root=root).line
