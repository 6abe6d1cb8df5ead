"""Operations repos for tests: files in memory behind the `Source` protocol."""

from pathlib import Path

from dnsctl.errors import RevisionError
from dnsctl.load.revision import MAX_FILE, Entry

CONFIG = """\
version: 1
sites:
  dc1: {nodes: {ns1: {listen: ["127.0.0.1:5301"], control: "https://127.0.0.1:8301"}}}
  dc2: {nodes: {ns2: {listen: ["127.0.0.1:5302"], control: "https://127.0.0.1:8302"}}}
defaults:
  ttl: 1h
  soa: {mname: ns1.example.net., rname: hostmaster.example.net., refresh: 2h, expire: 14d, minimum: 5m}
  ns: [ns1.example.net., ns2.example.net.]
"""


class MemorySource:
    """Files as a mapping of path to octets."""

    commit: str | None = None
    root = Path("/nowhere")

    def __init__(self, **files: bytes | str) -> None:
        self.contents: dict[str, bytes] = {}
        for path, data in files.items():
            self.put(path, data)

    def put(self, path: str, data: bytes | str) -> "MemorySource":
        self.contents[path] = data.encode() if isinstance(data, str) else data
        return self

    def read(self, path: str, limit: int = MAX_FILE) -> bytes:
        assert limit >= MAX_FILE
        try:
            return self.contents[path]
        except KeyError:
            raise RevisionError("cannot be read: No such file", where=path, advice="check the path") from None

    def below(self, directory: str) -> "MemorySource":
        made = MemorySource()
        for path, data in self.contents.items():
            if path.startswith(f"{directory}/"):
                made.put(path.removeprefix(f"{directory}/"), data)
        return made

    def entries(self, directory: str) -> tuple[Entry, ...]:
        start = f"{directory}/" if directory else ""
        below = [path.removeprefix(start) for path in self.contents if path.startswith(start)]
        files = {Entry(f"{start}{path}") for path in below if "/" not in path}
        return tuple(
            sorted(files | {Entry(f"{start}{path.split('/')[0]}", True) for path in below if "/" in path})
        )
