"""What `strata up` does with requests under way when it is told to stop."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from scenario.processes import free_port
from waiting import eventually

PROGRAM = Path(__file__).with_name("serving_process.py")


def answers(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
    except httpx.TransportError:
        return False
    return True


def test_a_port_that_has_drained_does_not_cut_the_other_short():
    idle_port, busy_port = free_port(), free_port()
    arguments = [sys.executable, str(PROGRAM), str(idle_port), str(busy_port)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(arguments, **pipes) as process, ThreadPoolExecutor(1) as pool:
        try:
            eventually(lambda: answers(idle_port) and answers(busy_port), 30)
            request = pool.submit(httpx.get, f"http://127.0.0.1:{busy_port}/slow", timeout=30, trust_env=False)
            assert process.stdout.readline() == "slow request under way\n"
            process.send_signal(signal.SIGTERM)
            assert process.stdout.readline() == "idle has drained\n"
            process.stdin.write("now\n")
            process.stdin.flush()
            assert request.result(20).json() == "whole"
            assert process.stdout.read() == "busy has drained\n"
            assert process.wait(20) == 0
        finally:
            process.kill()
