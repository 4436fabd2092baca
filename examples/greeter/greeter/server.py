"""The HTTP side: GET /greet/<name> answers a greeting and how often that name was greeted."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import textkit

from greeter.store import Store


def serve(store: Store, port: int = 0) -> ThreadingHTTPServer:
    """A server bound to the loopback device; port 0 takes a free one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if not self.path.startswith("/greet/"):
                self.send_error(404)
                return
            name = unquote(self.path.removeprefix("/greet/"))
            key = textkit.slug(name)
            body = json.dumps({"greeting": f"Hello, {name}!", "count": store.increment(key)})
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)
