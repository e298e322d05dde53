"""An HTTP server that answers whatever a test tells it to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Script:
    """What is answered to each path, and what was asked. `cut` leaves the answer without its end."""

    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    url: str = ""


@contextmanager
def lying_store() -> Iterator[Script]:
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            script.asked.append((self.command, self.path, body))
            status, answer = script.answers.get(path, (204, b""))
            self.send_response(status)
            for name, value in script.headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if status != 204:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(answer), answer))
                if not script.is_cut:
                    self.wfile.write(b"0\r\n\r\n")
            self.close_connection = script.is_cut

        do_GET = do_POST = answer  # noqa: N815 - the names http.server looks for

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield script
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
