"""`dnsctl key import` and `export`: keys that BIND, Knot and PowerDNS made, and that they take back."""

import base64
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dnsctl.errors import SigningError
from dnsctl.model.key import PublicKey
from dnsctl.model.name import from_text
from dnsctl.sign.algorithm import scheme
from dnsctl.sign.foreign import pem, private_text
from dnsctl.sign.keyfile import KeyState, KeyTimes, StateFile, file_stem, key_text
from dnsctl.sign.keystore import Keystore
from tests.cli.kills import killed_at
from tests.cli.shell import CONFIG, Told, dnsctl, repo
from tests.peers import need

ZONE = from_text("example.com.")
RECORDS = "www: {type: A, value: 192.0.2.1}\n"
# What `pdnsutil export-zone-key` of PowerDNS 4.7 prints, and the tag that it lists for this key.
POWERDNS = """\
Private-key-format: v1.2
Algorithm: 13 (ECDSAP256SHA256)
PrivateKey: 7xm/a5GvOdHQ/ZgIKopM6pD/P7BTOvVWQVxSYDGpiO8=

"""
POWERDNS_KEY = (
    "example.com IN DNSKEY 257 3 13 zVIP5S1XozyHFiM62hGG1tEQtDr22KnfZ7rpI4DYku0s"
    "wPH307KRnTtB4PlGMbMakMi8t3sI0lh9y9CXWbokYw==\n"
)
POWERDNS_TAG = 18605
ALGORITHMS = {8: "RSASHA256", 13: "ECDSAP256SHA256", 14: "ECDSAP384SHA384", 15: "ED25519", 16: "ED448"}


def is_signed_with(algorithm: int) -> bool:
    try:
        scheme(algorithm)
    except SigningError:
        return False
    return True


def made(root: Path, policy: str = "{}") -> Path:
    config = f"{CONFIG}  dnssec: ours\npolicies: {{ours: {policy}}}\n"
    place = repo(root, config, example_com_yaml=RECORDS, example_net_yaml=RECORDS)
    (place / "keys").mkdir()
    (place / "keys/passphrase").write_text("correct horse\n")
    (place / "keys/passphrase").chmod(0o600)
    return place


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return made(tmp_path / "ops")


def store(root: Path) -> Keystore:
    return Keystore(root / "keys", lambda: b"correct horse")


def bind_key(directory: Path, algorithm: int, *options: str, zone: str = "example.com") -> Path:
    """Have BIND make a key; return its private file."""
    directory.mkdir(exist_ok=True)
    size = ("-b", "2048") if algorithm == 8 else ()
    done = subprocess.run(
        (need("dnssec-keygen"), "-q", "-a", str(algorithm), *size, *options, "-K", directory, zone),
        check=True,
        capture_output=True,
        text=True,
    )
    return directory / f"{done.stdout.strip()}.private"


def tag_of(path: Path) -> int:
    return int(re.search(r"\+(\d{5})", path.name)[1])


def imported(root: Path, *arguments: str | Path) -> Told:
    return dnsctl("key", "import", "example.com", *arguments, root=root)


@pytest.mark.parametrize("algorithm", [each for each in ALGORITHMS if is_signed_with(each)])
def test_bind_key_of_every_algorithm_keeps_its_tag_and_signs(algorithm: int, tmp_path: Path) -> None:
    root = made(tmp_path / "ops", f"{{algorithm: {ALGORITHMS[algorithm]}}}")
    private = bind_key(tmp_path / "bind", algorithm, "-f", "KSK")
    told = imported(root, private)
    assert told.code == 0, told.err
    [key] = store(root).list(ZONE)
    assert (key.public.tag, key.role, key.state) == (tag_of(private), "csk", KeyState.GENERATED)
    signing = store(root).open(key)
    own = scheme(algorithm)
    assert own.checker(key.public.public)(own.signer(signing.private)(b"octets"), b"octets")
    assert base64.b64decode(
        re.findall(r"^Private(?:Key|Exponent): (\S+)$", private.read_text(), re.MULTILINE)[0]
    ) not in (key.private_path.read_bytes())


def test_directory_of_bind_gives_the_zones_keys_that_are_in_use_and_no_others(tmp_path: Path) -> None:
    root = made(tmp_path / "ops", "{keys: ksk+zsk}")
    ksk, zsk = bind_key(tmp_path / "bind", 13, "-f", "KSK"), bind_key(tmp_path / "bind", 13)
    old = bind_key(tmp_path / "bind", 13, "-I", "20200101000000", "-D", "20200201000000")
    bind_key(tmp_path / "bind", 13, zone="example.net")
    told = imported(root, tmp_path / "bind", "--active", "--json")
    assert told.code == 0, told.err
    assert {(each["tag"], each["role"], each["state"]) for each in told.json["keys"]} == {
        (tag_of(ksk), "ksk", "active"),
        (tag_of(zsk), "zsk", "active"),
    }
    assert f"{old}: left out" in told.err
    assert not (root / "keys/example.net").exists()


def test_bind_says_in_its_state_file_whether_a_key_signs_keys_alone(tmp_path: Path) -> None:
    private = bind_key(tmp_path / "bind", 13, "-f", "KSK")
    state = private.with_suffix(".state")
    split, combined = made(tmp_path / "split", "{keys: ksk+zsk}"), made(tmp_path / "combined")
    state.write_text("; This is the state of a key.\nAlgorithm: 13\nKSK: yes\nZSK: yes\n")
    assert (
        "a csk of algorithm 13, and policy ours asks for ksk+zsk of ECDSAP256SHA256"
        in imported(split, private).line
    )
    assert imported(combined, private).code == 0
    state.write_text("; This is the state of a key.\nAlgorithm: 13\nKSK: yes\nZSK: no\n")
    assert imported(split, private).code == 0
    assert store(split).list(ZONE)[0].role == "ksk"


def test_private_key_that_everybody_could_read_is_imported_with_a_warning(root: Path, tmp_path: Path) -> None:
    private = bind_key(tmp_path / "bind", 13, "-f", "KSK")
    private.chmod(0o644)
    told = imported(root, private)
    assert told.code == 0
    assert f"{private}: holds a secret, and its mode 0644 opens it to every user" in told.err


def test_kasp_of_a_zone_that_it_does_not_have_is_told(root: Path, tmp_path: Path) -> None:
    (tmp_path / "kasp").mkdir()
    subprocess.run(
        (need("keymgr"), "-D", tmp_path / "kasp", "example.net.", "generate", "algorithm=13"),
        check=True,
        capture_output=True,
    )
    told = imported(root, tmp_path / "kasp")
    assert told.code == 1
    assert "has no key of this zone" in told.line or "keymgr failed" in told.line


def test_knots_kasp_gives_the_keys_of_the_zone_with_roles(tmp_path: Path) -> None:
    root = made(tmp_path / "ops", "{keys: ksk+zsk}")
    keymgr = need("keymgr")
    (tmp_path / "kasp").mkdir()
    for arguments in (("ksk=yes",), ("ksk=no",)):
        subprocess.run(
            (keymgr, "-D", tmp_path / "kasp", "example.com.", "generate", "algorithm=13", *arguments),
            check=True,
            capture_output=True,
        )
    told = imported(root, tmp_path / "kasp", "--json")
    assert told.code == 0, told.err
    for role, spec in (("ksk", "yes"), ("zsk", "no")):
        [key] = [each for each in store(root).list(ZONE) if each.role == role]
        printed = subprocess.run(
            (keymgr, "-D", tmp_path / "kasp", "example.com.", "dnskey", str(key.public.tag)),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert base64.b64encode(key.public.public).decode() in printed.replace(" ", ""), spec


def test_kasp_without_keymgr_says_how_to_go_on(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kasp").mkdir()
    (tmp_path / "kasp/data.mdb").write_bytes(b"")
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    told = imported(root, tmp_path / "kasp")
    assert told.code == 1
    assert "one by one, with --role" in told.line


def with_zero_octet(private: ec.EllipticCurvePrivateKey) -> bytes:
    """Write a key as GnuTLS does where its first bit is set: a zero octet before the number."""
    number = private.private_numbers().private_value.to_bytes(33, "big")
    point = private.public_key().public_bytes(Encoding.X962, pem_point())
    inner = b"\x02\x01\x01\x04\x21" + number + b"\xa1\x44\x03\x42\x00" + point
    key = b"\x30" + bytes((len(inner),)) + inner
    head = bytes.fromhex("020100301306072a8648ce3d020106082a8648ce3d030107")
    rest = head + b"\x04" + bytes((len(key),)) + key
    der = b"\x30\x81" + bytes((len(rest),)) + rest
    return b"-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(der) + b"-----END PRIVATE KEY-----\n"


def pem_point():
    from cryptography.hazmat.primitives.serialization import PublicFormat

    return PublicFormat.UncompressedPoint


def test_pem_of_gnutls_with_a_zero_octet_is_the_same_key() -> None:
    for _ in range(20):
        private = ec.generate_private_key(ec.SECP256R1())
        algorithm, read = pem.parse(with_zero_octet(private), "key.pem")
        assert algorithm == 13
        assert isinstance(read, ec.EllipticCurvePrivateKey)
        assert read.private_numbers() == private.private_numbers()


def test_powerdns_key_is_imported_by_role_or_with_its_dnskey_beside_it(root: Path, tmp_path: Path) -> None:
    exported = tmp_path / "exported.txt"
    exported.write_text(POWERDNS)
    told = imported(root, exported)
    assert told.code == 1
    assert "add --role" in told.line
    assert imported(root, exported, "--role", "csk").code == 0
    [key] = store(root).list(ZONE)
    assert key.public.tag == POWERDNS_TAG
    other = made(tmp_path / "other")
    (tmp_path / "exported.txt.key").write_text(POWERDNS_KEY)
    assert imported(other, exported).code == 0
    assert store(other).list(ZONE)[0].public == key.public


def test_pem_by_any_name_is_a_private_key(root: Path, tmp_path: Path) -> None:
    key = tmp_path / "example.key"
    key.write_bytes(pem.to_octets(ec.generate_private_key(ec.SECP256R1())))
    assert "add --role" in imported(root, key).line
    assert imported(root, key, "--role", "csk").code == 0


def test_pdnsutil_exports_what_is_imported_and_imports_what_is_exported(root: Path, tmp_path: Path) -> None:
    pdnsutil = need("pdnsutil")
    schema = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
    if not schema.exists() or shutil.which("sqlite3") is None:
        pytest.skip("pdns-backend-sqlite3 or sqlite3 is not installed")
    database = tmp_path / "database"
    (tmp_path / "pdns.conf").write_text(
        f"launch=gsqlite3\ngsqlite3-database={database}\ngsqlite3-dnssec=yes\n"
    )
    subprocess.run(("sqlite3", database), input=schema.read_bytes(), check=True)

    def run(*arguments: str | Path) -> str:
        return subprocess.run(
            (pdnsutil, f"--config-dir={tmp_path}", *arguments), check=True, capture_output=True, text=True
        ).stdout

    run("create-zone", "example.com", "ns1.example.com")
    run("add-zone-key", "example.com", "ksk", "active", "ecdsa256")
    (tmp_path / "exported").write_text(run("export-zone-key", "example.com", "1"))
    (tmp_path / "exported.key").write_text(run("export-zone-dnskey", "example.com", "1"))
    assert imported(root, tmp_path / "exported").code == 0
    assert (
        dnsctl("key", "export", "example.com", "--private", "--to", tmp_path / "out", "--yes", root=root).code
        == 0
    )
    [private] = (tmp_path / "out").glob("*.private")
    run("create-zone", "example.net", "ns1.example.com")
    run("import-zone-key", "example.net", private, "ksk")
    [again] = re.findall(r"DNSKEY (.*)", run("export-zone-dnskey", "example.net", "2"))
    assert again in (tmp_path / "exported.key").read_text()


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert re.search(old, text), old
    path.write_text(re.sub(old, new, text))


def other_half(private: Path, directory: Path) -> None:
    shutil.copy(bind_key(directory / "other", 13, "-f", "KSK"), private)


FAULTS: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "halves of two keys": (other_half, "does not belong to the DNSKEY beside it"),
    "another algorithm": (
        lambda key, _: replaced(key, r"Algorithm: 13.*", "Algorithm: 15 (ED25519)"),
        "does not belong to the DNSKEY beside it",
    ),
    "an algorithm nobody signs with": (
        lambda key, _: replaced(key, r"Algorithm: 13.*", "Algorithm: 3 (DSA)"),
        "algorithm 3 is not supported",
    ),
    "no algorithm": (lambda key, _: replaced(key, r"Algorithm:.*\n", ""), "no line `Algorithm:`"),
    "no number": (lambda key, _: replaced(key, r"PrivateKey:.*\n", ""), "no line `PrivateKey:`"),
    "not base64": (lambda key, _: replaced(key, r"PrivateKey:.*", "PrivateKey: %%%"), "is not base64"),
    "zero": (lambda key, _: replaced(key, r"PrivateKey:.*", "PrivateKey: AAAA"), "malformed private key"),
    "a hardware module": (
        lambda key, _: replaced(key, r"PrivateKey:.*", "Engine: cGtjczExAA==\nLabel: cGtjczEx"),
        "names a key in a hardware module",
    ),
    "a later format": (lambda key, _: replaced(key, "v1.3", "v2.0"), "its format is v2.0"),
    "neither": (lambda key, _: key.write_text("hello\n"), "not a private key of BIND or PowerDNS"),
    "empty": (lambda key, _: key.write_text(""), "not a private key of BIND or PowerDNS"),
    "an encrypted PEM": (
        lambda key, _: key.write_bytes(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"),
        "is encrypted",
    ),
    "a broken PEM": (
        lambda key, _: key.write_bytes(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        "not a private key in PEM",
    ),
    "gone": (lambda key, _: key.unlink(), "No such file"),
    "revoked": (lambda key, _: replaced(key.with_suffix(".key"), "DNSKEY 257", "DNSKEY 385"), "is revoked"),
    "not a zone key": (
        lambda key, _: replaced(key.with_suffix(".key"), "DNSKEY 257", "DNSKEY 1"),
        "is not a zone key",
    ),
    "another zone": (
        lambda key, _: replaced(key.with_suffix(".key"), r"(?m)^example\.com\.", "example.net."),
        "is a key of example.net.",
    ),
    "a key that the policy has no use for": (
        lambda key, _: replaced(key.with_suffix(".key"), "DNSKEY 257", "DNSKEY 256"),
        "policy ours asks for csk",
    ),
    "retired": (
        lambda key, _: key.write_text(key.read_text() + "Inactive: 20200101000000\n"),
        "was retired, revoked or deleted there",
    ),
    "a time that is none": (
        lambda key, _: replaced(key, r"Created:.*", "Created: yesterday"),
        "malformed private key",
    ),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_key_that_is_of_no_use_is_named_and_none_is_stored(kind: str, root: Path, tmp_path: Path) -> None:
    change, reason = FAULTS[kind]
    whole = bind_key(tmp_path / "bind", 13, "-f", "KSK")
    faulty = bind_key(tmp_path / "bind", 13, "-f", "KSK")
    change(faulty, tmp_path)
    told = imported(root, whole, faulty)
    assert told.code == 1
    assert reason in told.line
    assert faulty.name in told.line
    assert not list((root / "keys").glob("*/*"))


def test_tag_that_another_key_has_or_had_is_refused(root: Path, tmp_path: Path) -> None:
    private = bind_key(tmp_path / "bind", 13, "-f", "KSK")
    field = base64.b64decode(private.with_suffix(".key").read_text().split("DNSKEY 257 3 13 ")[1])
    twin = PublicKey(ZONE, 13, 257, field[2:4] + field[:2] + field[4:])  # its sum is the same, so its tag is
    assert twin.tag == tag_of(private)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    times = KeyTimes(now).entered(KeyState.REMOVED, now)
    directory = root / "keys/example.com"
    directory.mkdir()
    (directory / f"{file_stem(twin)}.key").write_text(key_text(twin, "csk", 3600, times))
    (directory / f"{file_stem(twin)}.state").write_text(
        StateFile.of(twin, "csk", KeyState.REMOVED, times).to_text()
    )
    told = imported(root, private)
    assert told.code == 1
    assert f"key tag {twin.tag} is taken" in told.line
    assert not list(directory.glob("*.pem"))


def test_key_is_imported_once(root: Path, tmp_path: Path) -> None:
    private = bind_key(tmp_path / "bind", 13, "-f", "KSK")
    assert imported(root, private).code == 0
    told = imported(root, private)
    assert told.code == 1
    assert "is there already" in told.line
    assert "in state generated: nothing is left to import" in told.line
    assert imported(root, tmp_path / "bind", "--role", "zsk").code == 1


def test_file_that_is_not_there_is_named_as_it_was_given(root: Path) -> None:
    told = imported(root, "nofile", "--role", "csk")
    assert told.code == 1
    assert "nofile: no such file or directory; name the file of a key" in told.line


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("7xm/a5GvOdHQ/ZgIKopM6pD/P7BTOvVWQVxSYDGpiO8=", "AAAA", "its numbers are not a key of algorithm 13"),
        ("13 (ECDSAP256SHA256)", "x", "no line `Algorithm:` with a number"),
        ("PrivateKey:", "Created: yesterday\nPrivateKey:", "`Created: yesterday` is not YYYYMMDDHHMMSS"),
    ],
)
def test_private_half_that_makes_no_key_is_told_in_words_for_people(
    before: str, after: str, reason: str, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(POWERDNS.replace(before, after))
    told = imported(root, tmp_path / "key", "--role", "csk")
    assert told.code == 1
    assert f"malformed private key: {reason}; export it again" in told.line


def test_role_that_is_none_is_told_those_there_are(root: Path) -> None:
    assert "cks is not a role: write csk, ksk or zsk" in imported(root, "nofile", "--role", "cks").line


def test_private_half_that_was_lost_comes_back_and_the_state_stays(root: Path, tmp_path: Path) -> None:
    private = bind_key(tmp_path / "bind", 13, "-f", "KSK")
    assert imported(root, private, "--active").code == 0
    [key] = store(root).list(ZONE)
    before = key.state_path.read_bytes()
    key.private_path.unlink()
    assert imported(root, private, "--active").code == 0
    [again] = store(root).list(ZONE)
    assert store(root).open(again)
    assert again.state_path.read_bytes() == before
    store(root).end(again, KeyState.REMOVED, datetime(2026, 1, 1, tzinfo=UTC))
    assert "was removed" in imported(root, private).line


@pytest.mark.parametrize("octets", [0, 250, 330, 400, 500])
def test_disk_that_fills_up_leaves_no_key(octets: int, root: Path, tmp_path: Path) -> None:
    root.joinpath("keys/.lock").touch()
    pair = bind_key(tmp_path / "bind", 13, "-f", "KSK"), bind_key(tmp_path / "bind", 13, "-f", "KSK")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, limit[1]))
    try:
        told = imported(root, *pair)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    if told.code == 0:
        assert octets >= 400
        assert len(store(root).list(ZONE)) == 2
        return
    assert "cannot be written: File too large" in told.line
    assert not list((root / "keys").glob("example.com*"))


def test_import_that_was_killed_anywhere_is_done_again(root: Path, tmp_path: Path) -> None:
    pair = [str(bind_key(tmp_path / "bind", 13, "-f", "KSK")) for _ in range(2)]
    event = 0
    while True:
        event += 1
        if not killed_at(lambda: imported(root, *pair), event, root / "keys"):
            break
        again = imported(root, *pair, "--active")
        assert again.code == 0, again.err
        assert [each.state for each in store(root).list(ZONE)] == [KeyState.ACTIVE] * 2
        for each in store(root).list(ZONE):
            assert store(root).open(each)
        shutil.rmtree(root / "keys/example.com")
    assert event > 20


def test_wrong_passphrase_and_unknown_zone_stop_an_import(root: Path, tmp_path: Path) -> None:
    private = bind_key(tmp_path / "bind", 13, "-f", "KSK")
    assert imported(root, private).code == 0
    (root / "keys/passphrase").write_text("battery staple\n")
    told = imported(root, bind_key(tmp_path / "bind", 13, "-f", "KSK"))
    assert told.code == 1
    assert "nothing is written under it" in told.line
    assert len(list((root / "keys").glob("*/*.state"))) == 1
    assert "unknown zone exmple.com." in dnsctl("key", "import", "exmple.com", private, root=root).line


def test_export_prints_public_halves_alone(root: Path, tmp_path: Path) -> None:
    private = bind_key(tmp_path / "bind", 13, "-f", "KSK")
    imported(root, private)
    told = dnsctl("key", "export", "example.com", root=root)
    assert told.code == 0
    [line] = told.out.splitlines()
    assert line.split(" ", 4)[:4] == ["example.com.", "3600", "IN", "DNSKEY"]
    assert line.split(" ", 4)[4] in private.with_suffix(".key").read_text().replace(" ", "").replace(
        "257313", "257 3 13 "
    )


@pytest.mark.parametrize("form", ["bind", "pem"])
def test_private_halves_are_exported_when_told_to_a_file_for_its_owner(
    form: str, root: Path, tmp_path: Path
) -> None:
    private = bind_key(tmp_path / "bind", 13, "-f", "KSK")
    imported(root, private)
    export = ("key", "export", "example.com", "--private", "--format", form)
    assert "private keys go to files only" in dnsctl(*export, root=root).line
    told = dnsctl(*export, "--to", tmp_path / "out", root=root)
    assert told.code == 1
    assert "NOT encrypted" in told.line
    assert not (tmp_path / "out").exists()
    told = dnsctl(*export, "--to", tmp_path / "out", "--yes", root=root)
    assert told.code == 0, told.err
    assert all(each.stat().st_mode & 0o777 == 0o600 for each in (tmp_path / "out").iterdir())
    secret = re.search(r"PrivateKey: (\S+)", private.read_text())[1]
    assert secret not in told.out + told.err
    written = [each.read_bytes() for each in (tmp_path / "out").iterdir()]
    if form == "bind":
        assert any(secret.encode() in each for each in written)
    again = dnsctl(*export, "--to", tmp_path / "out", "--yes", root=root)
    assert again.code == 1
    assert "is there already" in again.line
    other = made(tmp_path / "other")
    suffix = "private" if form == "bind" else "pem"
    [file] = (tmp_path / "out").glob(f"*.{suffix}")
    if form == "pem":
        file.with_suffix(".key").rename(file.with_name(file.name + ".key"))
    assert imported(other, file).code == 0
    assert store(other).list(ZONE)[0].public == store(root).list(ZONE)[0].public


@pytest.mark.parametrize("algorithm", [each for each in ALGORITHMS if is_signed_with(each)])
def test_bind_and_knot_take_what_is_exported(algorithm: int, tmp_path: Path) -> None:
    root = made(tmp_path / "ops", f"{{algorithm: {ALGORITHMS[algorithm]}}}")
    assert dnsctl("key", "generate", "example.com", root=root).code == 0
    store(root).activate(store(root).list(ZONE)[0], datetime(2026, 1, 1, tzinfo=UTC))
    assert (
        dnsctl("key", "export", "example.com", "--private", "--to", tmp_path / "out", "--yes", root=root).code
        == 0
    )
    [private] = (tmp_path / "out").glob("*.private")
    (tmp_path / "zone").write_text(
        "$TTL 300\n@ SOA ns1.example.com. host.example.com. 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n"
    )
    signed = subprocess.run(
        (
            need("dnssec-signzone"),
            "-z",
            "-S",
            "-K",
            tmp_path / "out",
            "-o",
            "example.com",
            "-d",
            tmp_path,
            "zone",
        ),
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert signed.returncode == 0, signed.stderr
    (tmp_path / "kasp").mkdir()
    knot = subprocess.run(
        (need("keymgr"), "-D", tmp_path / "kasp", "example.com.", "import-bind", private.with_suffix(".key")),
        check=False,
        capture_output=True,
        text=True,
    )
    assert knot.returncode == 0, knot.stdout + knot.stderr


def test_private_text_of_every_algorithm_comes_back_as_it_was(tmp_path: Path) -> None:
    for algorithm in ALGORITHMS:
        if is_signed_with(algorithm):
            private = scheme(algorithm).generate()
            text = private_text.to_text(
                algorithm, private, {"Created": datetime(2026, 1, 2, tzinfo=UTC)}, "K"
            )
            again = private_text.parse(text, "file")
            assert scheme(algorithm).field(again.private) == scheme(algorithm).field(private)
            assert again.times == {"Created": datetime(2026, 1, 2, tzinfo=UTC)}
            assert b"ENCRYPTED" not in private.private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            )


@pytest.mark.parametrize("which", ["x.pem", "Kexample.com.+013+12345.private", "Kexample.com.+013+12345.key"])
def test_pipe_that_nobody_writes_to_is_refused_at_once(which: str, root: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    pipe = tmp_path / "keys" / which
    os.mkfifo(pipe)
    told = imported(root, pipe.parent if which.endswith(".key") else pipe, "--role", "csk")
    assert told.code == 1
    assert f"{which}: not a regular file" in told.line


def test_device_is_refused_at_once(root: Path) -> None:
    told = imported(root, "/dev/zero", "--role", "csk")
    assert (told.code, "/dev/zero: not a regular file" in told.line) == (1, True)
