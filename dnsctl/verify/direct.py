"""Ask a name server that is a function in this process, as `client.Channel` asks one over sockets.

For a release that no node has yet: what will be served is asked before it leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dnsctl.verify.client import Question, Reply, is_truncated

Respond = Callable[[bytes, bool], bytes | None]  # a query message, and whether it came over a stream


class Direct:
    """One name server, asked in batches. It never falls silent: a question without a response is a fault."""

    address = ""
    silent = ""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._questions: Sequence[Question] = ()

    def __enter__(self) -> Direct:
        return self

    def __exit__(self, *_: object) -> None:
        self._questions = ()

    def post(self, questions: Sequence[Question]) -> None:
        self._questions = questions

    def collect(self) -> list[Reply]:
        """Return a reply for each question of the batch that was posted last, in its order."""
        return [self._reply(question, number & 0xFFFF) for number, question in enumerate(self._questions)]

    def _reply(self, question: Question, identifier: int) -> Reply:
        """Ask over UDP, and as over TCP where the answer is cut short (RFC 7766 §5) or TCP is asked for."""
        query, size = question.to_wire(identifier), 0
        if not question.stream:
            wire = self._respond(query, False)
            size = len(wire) if wire is not None else 0
            if wire is None or not is_truncated(wire):
                return Reply(wire, size, "" if wire is not None else "no answer")
        wire = self._respond(query, True)
        return Reply(wire, size, "" if wire is not None else "no answer over TCP")
