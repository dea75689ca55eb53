"""A tracking server that takes the calls of MLflow's API and keeps what it was told; a real one is in
tests/platforms/readers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any


@contextmanager
def tracking_server(version: str = "12") -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """Its address, and the calls with which it was told something; it has this version of credit."""
    calls: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path.endswith(f"model-versions/get?name=credit&version={version}")
            self.answer({"model_version": {"run_id": "r1"}})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            calls.append((self.path.rpartition("/mlflow/")[2], json.loads(body)))
            self.answer({})

        def answer(self, tree: object) -> None:
            body = json.dumps(tree).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", calls
        server.shutdown()
        thread.join()
