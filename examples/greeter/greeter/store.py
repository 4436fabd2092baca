"""Client of the key-value store: one line a request, one line an answer."""

import socket


class Store:
    """Counters in the store at `host`:`port`."""

    def __init__(self, host: str, port: int):
        self.address = (host, port)

    def _ask(self, line: str) -> str:
        with socket.create_connection(self.address, timeout=10) as conn:
            conn.sendall(line.encode() + b"\n")
            answer = conn.makefile().readline()
        if not answer:
            raise ConnectionError("the store closed the connection")
        return answer.strip()

    def increment(self, key: str) -> int:
        return int(self._ask(f"INCR {key}"))

    def get(self, key: str) -> int:
        return int(self._ask(f"GET {key}"))
