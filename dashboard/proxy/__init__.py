"""`tailrace proxy`: stands between an app and a Vercel backend, passes everything on and reports what was written.

| file | what |
|---|---|
| `command.py` | the command line |
| `server.py` | accepts connections, pairs each with one to the backend, and takes them down again |
| `relay.py` | one request and its answer, both bodies as they come |
| `peer.py` | one side of a connection: HTTP/1.1 by h11, bytes by asyncio |
| `headers.py`, `upstream.py` | what is not passed on; where the backend is |
| `watch.py` | which requests are recorded; `taps.py` records them as they pass; `fields.py`, `cbor.py` read them |
| `outbox.py`, `sender.py` | what waits for Tailrace, and how it gets there |
"""
