"""A stand-in for Vercel's workflow server, and a world for the real client to talk to it.

The client's own code and the text quoted in upstream issue 1949 say what the requests and the refusals look
like. Guessed, since no real server is within reach: that writes are ordered by when their latency ends, that a
close is refused like a write once the run has ended, and how long the queue takes.
"""

from tests.lab.vercel.server import StubServer

__all__ = ["StubServer"]
