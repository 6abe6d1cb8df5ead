"""References to a passphrase: each form, and every way it can be missing."""

import io
import sys
from pathlib import Path

import pytest

from dnsctl.errors import PassphraseError
from dnsctl.load.secret import resolve


def test_environment_variable_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DNSCTL_TEST_PASSPHRASE", "correct horse")
    assert resolve("env:DNSCTL_TEST_PASSPHRASE", tmp_path) == b"correct horse"


def test_file_is_read_from_the_repo_without_its_newline(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_bytes(b" spaces stay \n")
    (tmp_path / "passphrase").chmod(0o600)
    assert resolve("file:passphrase", tmp_path) == b" spaces stay "


def test_systemd_credential_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dnsctl").write_bytes(b"secret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert resolve("credential:dnsctl", tmp_path / "elsewhere") == b"secret"


@pytest.mark.parametrize(
    "reference",
    [
        "env:DNSCTL_NOT_SET",
        "file:none",
        "file:.",
        "file:a\0b",
        "credential:none",
        "credential:..",
        "hunter2",
        "",
        "env:",
    ],
)
def test_missing_secret_is_one_error_with_advice(
    reference: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DNSCTL_NOT_SET", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(PassphraseError) as caught:
        resolve(reference, tmp_path)
    assert caught.value.advice


def test_secret_written_in_place_of_a_reference_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(PassphraseError) as caught:
        resolve("hunter2", tmp_path)
    assert "hunter2" not in str(caught.value)


def test_empty_and_oversized_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "large").write_bytes(b"x" * 5000)
    for name in ("empty", "large"):
        (tmp_path / name).chmod(0o600)
    with pytest.raises(PassphraseError, match="is empty"):
        resolve("file:empty", tmp_path)
    with pytest.raises(PassphraseError, match="over 4096 octets"):
        resolve("file:large", tmp_path)


def test_prompt_without_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("typed\n"))
    with pytest.raises(PassphraseError, match="no terminal"):
        resolve("prompt", tmp_path)
