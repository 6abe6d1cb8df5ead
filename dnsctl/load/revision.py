"""Read files from the work tree or from a git commit; never read outside the operations repo.

Paths are posix and relative to the operations repo's root, which may be a directory inside a git repository.
A symbolic link is followed where it stays inside the repo and refused where it leaves it, in both sources.
Nothing is read of what is this host's own (keys/, state/, .git/), neither by its path nor through a link.
git is called with argument lists, without a shell, and a revision can never be taken for an option.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import os
import posixpath
import stat
import subprocess
import threading
import weakref
from pathlib import Path
from typing import NamedTuple, Protocol

from dnsctl.errors import RevisionError
from dnsctl.model.repo import KEPT_HERE

MAX_FILE = 256 * 2**20  # octets of one file, where the reader asks for no more
_GIT_TIMEOUT = 60  # seconds
_QUIET = "advice.graftFileDeprecated=false"  # git would warn of the empty graft file of `_environment`
_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.quotepath=off", "-c", _QUIET)


class Entry(NamedTuple):
    """One name in a directory. `directory`: it is one, or a link to one inside the repo.

    Try any other as a file: reading it says what is wrong with a link, or with a FIFO. `target`: the
    path that a symbolic link names, from the root.
    """

    path: str
    directory: bool = False
    target: str = ""


class Source(Protocol):
    """Files of an operations repo as they stood at one moment."""

    @property
    def root(self) -> Path: ...

    @property
    def commit(self) -> str | None:
        """Full commit id, or None for a work tree."""

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        """Return a file's octets. Raises RevisionError: missing, outside, no file, or over `limit`."""

    def below(self, directory: str) -> Source:
        """Return the files below `directory`, as a source that nothing leads out of."""

    def entries(self, directory: str) -> tuple[Entry, ...]:
        """Return all that stands in `directory`, by path from the root; nothing where it is absent."""


class WorkTree:
    """The files as they are on disk now; works without git."""

    commit: str | None = None

    def __init__(self, root: Path, *, whole: bool = True) -> None:
        """`whole`: `root` is that of the repo, and not a directory in it."""
        self.root = root
        self._whole = whole
        self._real = Path(os.path.realpath(root))

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        real = self._inside(path)
        try:
            descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO must not hang us
            with os.fdopen(descriptor, "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise RevisionError("is not a regular file", where=path, advice="put a file there")
                if status.st_size > limit:
                    raise _too_large(path, status.st_size, limit)
                return file.read(status.st_size)
        except OSError as error:
            if error.errno == errno.ENOENT and (self._real / _normal(path)).is_symlink():
                raise _dangling(path) from None
            if error.errno == errno.ELOOP:
                raise _loop(path) from None
            raise RevisionError(
                f"cannot be read: {error.strerror}", where=path, advice="check the path and its mode"
            ) from None

    def below(self, directory: str) -> WorkTree:
        return WorkTree(self._inside(directory), whole=False)

    def entries(self, directory: str) -> tuple[Entry, ...]:
        real = self._inside(directory)
        try:
            found = sorted((entry.name, entry) for entry in os.scandir(real))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise RevisionError(
                f"cannot be listed: {error.strerror}", where=directory, advice="check the path"
            ) from None
        paths = ((posixpath.join(_normal(directory), name), entry) for name, entry in found)
        return tuple(
            Entry(path, self._is_directory(path), _target(path, str(Path(entry.path).readlink())))
            if entry.is_symlink()
            else Entry(path, entry.is_dir())
            for path, entry in paths
        )

    def _is_directory(self, path: str) -> bool:
        try:
            return self._inside(path).is_dir()
        except RevisionError:
            return False

    def _inside(self, path: str) -> Path:
        real = Path(self._resolved(_normal(path)))
        if not real.is_relative_to(self._real):
            raise RevisionError(
                "leads outside the operations repo", where=path, advice="keep files inside it"
            )
        if self._whole:
            _refuse_kept(real.relative_to(self._real).parts, path)
        return real

    def _resolved(self, path: str) -> str:
        """Return the real path. That of the root is known, and what is below it is seldom a link."""
        place = str(self._real).rstrip("/")
        for part in path.split("/"):
            place = f"{place}/{part}"
            try:
                mode = os.lstat(place).st_mode
            except OSError:
                mode = stat.S_IFLNK
            if stat.S_ISLNK(mode):
                return os.path.realpath(self._real / path)
        return place


class Revision:
    """The files of one commit, through one long-lived `git cat-file --batch`."""

    def __init__(self, root: Path, rev: str, *, tree: str = "") -> None:
        """`tree`: that of no commit, instead of the one of `rev`."""
        self.root = root
        self.commit: str | None = None if tree else resolve(root, rev)
        self._tree = f"{tree or self.commit}:"  # what git resolves paths and symbolic links in
        self._prefix = _prefix(root)
        self._whole = True
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        wanted = _normal(path)
        if self._whole:
            _refuse_kept(tuple(wanted.split("/")), path)
        if "\n" in wanted:
            raise RevisionError("a path with a line break", where=repr(path), advice="rename the file")
        with self._lock:
            return self._fetch(path, f"{self._tree}{self._prefix}{wanted}", limit)

    def below(self, directory: str) -> Revision:
        """Return the files below `directory`. Paths and links are resolved in its own tree object."""
        confined = copy.copy(self)
        [(_, tree)] = self._resolved([_normal(directory)])
        confined._whole = False
        confined._tree = f"{tree}:"
        confined._prefix = ""
        confined._process = None
        confined._lock = threading.Lock()
        return confined

    def entries(self, directory: str) -> tuple[Entry, ...]:
        wanted = _normal(directory)
        [(kind, tree)] = self._resolved([wanted])
        if kind == "missing":
            return ()
        if kind != "tree":
            raise RevisionError("is not a directory", where=self._where(directory), advice="put one there")
        found: dict[str, Entry] = {}
        links: dict[str, str] = {}
        for line in git(self.root, "ls-tree", "-z", "--full-tree", tree).split(b"\0"):
            head, _, name = line.partition(b"\t")
            if name:
                path = posixpath.join(wanted, os.fsdecode(name))
                mode, kind, identity = head.decode().split()
                found[path] = Entry(path, kind != "blob")  # a directory, or a submodule
                if mode == "120000":
                    links[path] = identity
        texts = self._texts(list(links.values()))
        for path, (kind, _), text in zip(links, self._resolved(list(links)), texts, strict=True):
            found[path] = Entry(path, kind == "tree", _target(path, text))
        return tuple(found[path] for path in sorted(found))

    def _texts(self, blobs: list[str]) -> list[str]:
        """Return the content of small blobs, by identity."""
        if not blobs:
            return []
        told = git(self.root, "cat-file", "--batch", asked="".join(f"{each}\n" for each in blobs).encode())
        texts = []
        while told:
            line, _, told = told.partition(b"\n")
            size = int(line.split(b" ")[2])
            texts.append(os.fsdecode(told[:size]))
            told = told[size + 1 :]
        return texts

    def _resolved(self, paths: list[str]) -> list[tuple[str, str]]:
        """Return kind (tree, blob, missing, dangling, loop, symlink, notdir) and object of each path."""
        specs = [self._spec(path) for path in paths if "\n" not in path]
        if not specs:
            return [("missing", "")] * len(paths)
        asked = "".join(f"{spec}\n" for spec in specs).encode(errors="surrogateescape")
        told = git(self.root, "cat-file", "--batch-check", "--follow-symlinks", asked=asked)
        answers = []
        while told:
            line, _, told = told.partition(b"\n")
            words = line.split(b" ")
            if len(words) == 2 and words[0] in (b"dangling", b"loop", b"symlink", b"notdir"):
                answers.append((words[0].decode(), ""))
                told = told[int(words[1]) + 1 :]  # how many octets say where it led
            elif len(words) == 3 and words[2].isdigit():
                answers.append((words[1].decode(), words[0].decode()))
            else:
                answers.append(("missing", ""))
        rest = iter(answers)
        return [("missing", "") if "\n" in path else next(rest) for path in paths]

    def _spec(self, path: str = "") -> str:
        """Return what names a path of the operations repo, or its root, to git."""
        return f"{self._tree}{self._prefix}{path}".rstrip("/")

    def tree(self) -> str:
        """Return the object that holds all files of the operations repo; empty where it has none."""
        found = git(self.root, "rev-parse", "--verify", "--quiet", self._spec(), check=False)
        return found.decode().strip()

    def changes_since(self, tree: str) -> dict[str, tuple[str, str]] | None:
        """Return what differs from `tree`, by path: `MODE OBJECT` then and now, empty where there is no file.

        None where git no longer has that tree.
        """
        found: dict[str, tuple[str, str]] = {}
        asked = ("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-ext-diff", tree, self.tree())
        try:
            told = git(self.root, *asked).split(b"\0")
        except RevisionError:
            return None
        for head, path in zip(told[::2], told[1::2], strict=False):
            before, after, old, new, _ = head.decode("ascii")[1:].split(" ")
            found[os.fsdecode(path)] = (_entry(before, old), _entry(after, new))
        return found

    def blob(self, read: str) -> bytes:
        """Return the octets of a file by `MODE OBJECT`, as `files` has it. Raises RevisionError."""
        return git(self.root, "cat-file", "blob", read.partition(" ")[2])

    def files(self) -> dict[str, str]:
        """Return all that is not a directory, by path from the root of the operations repo: `MODE OBJECT`.

        Modes of files begin with 100; others are of symbolic links, behind which nothing is listed, and of
        submodules.
        """
        found: dict[str, str] = {}
        for line in git(self.root, "ls-tree", "-r", "-z", "--full-tree", self._spec()).split(b"\0"):
            head, _, path = line.partition(b"\t")
            if path:
                mode, _, identity = head.decode("ascii").split(" ")
                found[os.fsdecode(path)] = f"{mode} {identity}"
        return found

    def close(self) -> None:
        """End git; reading again starts it again."""
        with self._lock:
            if self._process is not None:
                _end(self._process)
                self._process = None

    def _fetch(self, path: str, spec: str, limit: int) -> bytes:
        process = self._git_process()
        assert process.stdin is not None and process.stdout is not None  # noqa: S101 - both are pipes
        try:
            process.stdin.write(spec.encode(errors="surrogateescape") + b"\n")
            process.stdin.flush()
            header = process.stdout.readline().split()
            known = header[-1:] != [b"missing"]
            if known and len(header) == 3:
                size = int(header[2])
                if size > limit:
                    _end(process)
                    self._process = None
                    raise _too_large(path, size, limit)
                data = process.stdout.read(size)
                process.stdout.read(1)
                if header[1] == b"blob" and len(data) == size:
                    return data
                raise RevisionError("is not a file", where=self._where(path), advice="put a file there")
            if known and len(header) == 2:  # symlink, dangling, loop or notdir, with the path that was tried
                process.stdout.read(int(header[1]) + 1)
        except OSError as error:
            self._process = None
            raise RevisionError(
                f"git failed: {error.strerror}", where=self._where(path), advice="try again"
            ) from None
        if header[:1] == [b"dangling"]:
            raise _dangling(self._where(path))
        if header[:1] == [b"loop"]:
            raise _loop(self._where(path))
        if header[:1] == [b"symlink"]:
            raise RevisionError(
                "leads outside the operations repo", where=self._where(path), advice="keep files inside it"
            )
        if self._is_listed(path):
            raise RevisionError(
                "is in this commit, and git has lost what it holds",
                where=self._where(path),
                advice="`git fsck` says what is lost; fetch it from another clone",
            )
        raise RevisionError("is not in this commit", where=self._where(path), advice="commit it")

    def _is_listed(self, path: str) -> bool:
        """True where the commit has a file at `path`, whether git can read it or not."""
        asked = ("ls-tree", "-z", "--full-tree", self._spec(), "--", path)
        return bool(git(self.root, *asked, check=False))

    def _where(self, path: str) -> str:
        return f"{path} at {(self.commit or '')[:12]}"

    def _git_process(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            command = (*_GIT, "cat-file", "--batch", "--follow-symlinks")
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                command, cwd=self.root, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=_environment()
            )
            weakref.finalize(self, _end, self._process)
        return self._process


def _entry(mode: str, identity: str) -> str:
    """Return an entry as `files` does; empty where there is none."""
    return f"{mode} {identity}" if mode.strip("0") else ""


def resolve(root: Path, rev: str) -> str:
    """Return the full commit id of `rev`. Raises RevisionError where there is no git or no such commit."""
    found = git(
        root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}", check=False
    )
    commit = found.decode(errors="replace").strip()
    if not commit:
        advice = "commit first" if rev == "HEAD" else "see `git log` for what there is"
        raise RevisionError(f"there is no commit {rev!r}", where=str(root.absolute()), advice=advice)
    return commit


def head(root: Path) -> str:
    """Return the full id of the commit that is checked out. Raises RevisionError."""
    return resolve(root, "HEAD")


def is_dirty(root: Path, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Return which files under `paths` differ from HEAD or are new to git, relative to `root`, sorted."""
    wanted = [literal(_normal(path) or ".") for path in paths]
    listing = git(
        root, "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--", *wanted
    )
    prefix = _prefix(root)
    changed = (os.fsdecode(line[3:]) for line in listing.split(b"\0") if len(line) > 3)
    return tuple(sorted(path.removeprefix(prefix) for path in changed))


def literal(path: str) -> str:
    """Return what names this path alone to git, also where it holds `*` or `[` (gitglossary, pathspec)."""
    return f":(literal){path}"


def _normal(path: str) -> str:
    """Return `path` without `.` and `..`; empty for the root. Raises RevisionError where it leads outside."""
    if "\0" in path:
        raise RevisionError("a path with a NUL octet", where=repr(path), advice="rename the file")
    normal = posixpath.normpath(path) if path else ""
    if posixpath.isabs(normal) or normal.split("/")[0] == "..":
        raise RevisionError("leads outside the operations repo", where=path, advice="keep files inside it")
    return "" if normal == "." else normal


def _refuse_kept(parts: tuple[str, ...], path: str) -> None:
    """Raise RevisionError for what is of this host alone: secrets must not become records or messages."""
    if parts and parts[0] in KEPT_HERE:
        what = f"is in {parts[0]}/, which is of this host alone"
        raise RevisionError(what, where=path, advice="keep what zones need elsewhere in the repo")


def _target(path: str, link: str) -> str:
    """Return what the link at `path` names, as a path from the root; it may be outside."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link))


def _too_large(path: str, size: int, limit: int) -> RevisionError:
    return RevisionError(f"{size} octets, at most {limit} are read", where=path, advice="split it")


def _dangling(where: str) -> RevisionError:
    what = "cannot be read: its symbolic link leads to nothing"
    return RevisionError(what, where=where, advice="correct the link, or remove it")


def _loop(where: str) -> RevisionError:
    what = "cannot be read: its symbolic link leads back to itself"
    return RevisionError(what, where=where, advice="correct the link, or remove it")


def directory_of(root: Path) -> str:
    """Return where `root` is in its git repository, as a path from its root; a dot for that."""
    return _prefix(root).rstrip("/") or "."


def _prefix(root: Path) -> str:
    """Return what paths in the git repository have before those from `root`: with a final slash, or empty."""
    return os.fsdecode(git(root, "rev-parse", "--show-prefix")).rstrip("\n")


_ELSEWHERE = (  # variables that point git at another repository, other objects or another history
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_SHALLOW_FILE",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
)


def _environment() -> dict[str, str]:
    """Return our environment without what would point git at another repository.

    No object is replaced by another (refs/replace), and no commit gets other parents (grafts): what a
    commit's id stands for is what is released.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    return kept | {
        "GIT_GRAFT_FILE": os.devnull,
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def git(root: Path, *arguments: str, check: bool = True, asked: bytes = b"", patient: bool = False) -> bytes:
    """Return what git prints when run in `root` and told `asked`.

    With `check`, raise RevisionError where it fails. `patient`: no time limit; git may ask a person.
    """
    try:
        done = subprocess.run(
            (*_GIT, *arguments),
            cwd=root,
            capture_output=True,
            check=False,
            timeout=None if patient else _GIT_TIMEOUT,
            env=_environment(),
            input=asked,
        )
    except FileNotFoundError:
        missing = "git is not installed" if root.is_dir() else "no such directory"
        raise RevisionError(
            missing, where=str(root.absolute()), advice="install git, or correct -C"
        ) from None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise RevisionError(f"git failed: {error}", where=str(root.absolute()), advice="try again") from None
    if b"not a git repository" in done.stderr:
        raise RevisionError(
            "this is not a git repository", where=str(root.absolute()), advice="run `git init` and commit"
        )
    if b"dubious ownership" in done.stderr:
        raise RevisionError(
            "git does not trust this repository's owner",
            where=str(root.absolute()),
            advice="see git's setting safe.directory",
        )
    if check and done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        raise RevisionError(
            f"git {arguments[0]} failed: {reason[0] if reason else done.returncode}",
            where=str(root.absolute()),
            advice="see git",
        )
    return done.stdout


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
