import socket
import threading
import time

import pytest

from native_stores.containers import find_engine


@pytest.fixture
def unix_listener(tmp_path, monkeypatch):
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        yield listener


def answer_once(listener, answer):
    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_an_engine_that_answers_the_ping_is_found(unix_listener, tmp_path):
    thread = answer_once(unix_listener, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
    assert find_engine() == f"unix://{tmp_path}/engine.sock"
    thread.join()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n", b"", b"garbage\r\n\r\n"])
def test_what_does_not_answer_like_an_engine_is_none(unix_listener, answer):
    thread = answer_once(unix_listener, answer)
    assert find_engine() is None
    thread.join()


def test_a_silent_engine_costs_about_a_second(unix_listener):
    began = time.monotonic()
    assert find_engine() is None
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("address", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", "nonsense", "tcp://:x"])
def test_no_engine_costs_nothing(monkeypatch, address):
    monkeypatch.setenv("DOCKER_HOST", address)
    began = time.monotonic()
    assert find_engine() is None
    assert time.monotonic() - began < 1
