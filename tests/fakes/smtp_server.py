"""A mail server on a loopback socket that does as a test says: takes, refuses, breaks off, trickles, speaks TLS."""

import base64
import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass
class Behaviour:
    """`replies` replace what would be said to a command (`DATA-END` is the end of a mail). `hang_at` says nothing more
    from that command on, `drop_at` breaks the connection instead of answering."""

    replies: dict[str, str] = field(default_factory=dict)
    hang_at: str = ""
    drop_at: str = ""
    offers: tuple[str, ...] = ("SMTPUTF8", "8BITMIME")
    credentials: tuple[str, str] | None = None


@dataclass
class Received:
    sender: str
    recipients: list[str]
    content: bytes
    was_encrypted: bool
    user: str | None


class SmtpServer:
    def __init__(
        self, behaviour: Behaviour | None = None, *, tls: ssl.SSLContext | None = None, implicit: bool = False
    ):
        self.behaviour = behaviour or Behaviour()
        self.received: list[Received] = []
        self.commands: list[str] = []
        self._tls = tls
        self._implicit = implicit
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(10)
        self._socket.close()

    def _start(self, target, *arguments) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        session = _Session(self, connection)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(session.close)
            connection.settimeout(5)
            if self._implicit:
                session.wrap()
            session.run()


class _Session:
    def __init__(self, server: SmtpServer, connection: socket.socket) -> None:
        self.server = server
        self.connection = connection
        self.reader = connection.makefile("rb")
        self.is_encrypted = False
        self.user: str | None = None
        self.sender = ""
        self.recipients: list[str] = []

    def wrap(self) -> None:
        self.reader.close()
        self.connection = self.server._tls.wrap_socket(self.connection, server_side=True)
        self.reader = self.connection.makefile("rb")
        self.is_encrypted = True

    def close(self) -> None:
        self.connection.close()

    def run(self) -> None:
        try:
            if not self._say("CONNECT", "220 mail.test ESMTP"):
                return
            while line := self.reader.readline():
                if not self._answer(line.decode().strip()):
                    return
        finally:
            self.reader.close()

    def _answer(self, line: str) -> bool:  # noqa: PLR0911 - one a command
        verb = line.split(" ", maxsplit=1)[0].upper()
        self.server.commands.append(verb)
        match verb:
            case "EHLO":
                return self._say(verb, "\r\n".join(self._greeting()))
            case "STARTTLS":
                if self._say(verb, "220 go ahead"):
                    self.wrap()
                return True
            case "AUTH":
                return self._sign_in(line)
            case "MAIL":
                self.sender = line.partition("<")[2].partition(">")[0]
                return self._say(verb, "250 ok")
            case "RCPT":
                self.recipients.append(line.partition("<")[2].partition(">")[0])
                return self._say(verb, "250 ok")
            case "DATA":
                return self._take_mail()
            case "QUIT":
                self._say(verb, "221 bye")
                return False
            case _:
                return self._say(verb, "250 ok")

    def _greeting(self) -> list[str]:
        offers = [*self.server.behaviour.offers]
        if self.server._tls is not None and not self.is_encrypted:
            offers.append("STARTTLS")
        if self.server.behaviour.credentials is not None:
            offers.append("AUTH PLAIN")
        lines = ["mail.test", *offers]
        return [f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"]

    def _sign_in(self, line: str) -> bool:
        _, user, password = base64.b64decode(line.rsplit(" ", maxsplit=1)[-1]).decode().split("\0")
        if (user, password) == self.server.behaviour.credentials:
            self.user = user
            return self._say("AUTH", "235 welcome")
        return self._say("AUTH", "535 wrong user or password")

    def _take_mail(self) -> bool:
        if not self._say("DATA", "354 go ahead"):
            return False
        if self.server.behaviour.replies.get("DATA", "354").startswith("354"):
            content = b""
            while (line := self.reader.readline()) not in (b".\r\n", b""):
                content += line.removeprefix(b".")
            mail = Received(self.sender, self.recipients, content, self.is_encrypted, self.user)
            self.recipients = []
            if "DATA-END" not in self.server.behaviour.replies:
                self.server.received.append(mail)
            return self._say("DATA-END", "250 taken")
        return True

    def _say(self, verb: str, reply: str) -> bool:
        behaviour = self.server.behaviour
        if behaviour.hang_at == verb:
            self.server._stopping.wait(5)
            return False
        if behaviour.drop_at == verb:
            self.connection.shutdown(socket.SHUT_RDWR)
            return False
        self.connection.sendall((behaviour.replies.get(verb, reply) + "\r\n").encode())
        return True
