"""An attacker who invents paths: each request has another one, of many kinds, as fast as pipelining goes."""

from __future__ import annotations

import random
import socket
import threading
from itertools import count
from string import ascii_lowercase

DEPTH = 64
"""Requests in one write."""
END = b"HTTP/1.1 "
PATIENCE_SECONDS = 60


def invent(number: int) -> str:
    """The path of a number; no two are the same, and few look like an identifier."""
    word = spell(number)
    kinds = (
        f"/{word}",
        f"/shop/{word}/offers/{word}",
        f"/%{0xC3:x}%{0xA0 + number % 31:x}{word}",
        f"/{'/'.join(word)}",
        f"/{word}-{'x' * (number % 900)}",
        f"/orders/{number}",
        f"/{word};v={number % 7}",
    )
    return kinds[number % len(kinds)]


def spell(number: int) -> str:
    """A number in letters."""
    letters = ""
    while number or not letters:
        number, letter = divmod(number, len(ascii_lowercase))
        letters += ascii_lowercase[letter]
    return letters


def flood(port: int, first: int, requests: int, connections: int = 4) -> int:
    """Ask for the paths of so many numbers from ``first``; returns how many were answered with 200."""
    writes = count(first, DEPTH)
    end = first + requests
    served = [0] * connections

    def run(place: int) -> None:
        with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
            for start in iter(writes.__next__, None):
                if start >= end:
                    return
                served[place] += _ask(connection, range(start, min(start + DEPTH, end)))

    threads = [threading.Thread(target=run, args=(place,)) for place in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(served)


def _ask(connection: socket.socket, numbers: range) -> int:
    """Ask for the paths of these in one write, and read as many answers; returns how many are 200."""
    user = random.getrandbits(32)
    head = f" HTTP/1.1\r\nHost: shop\r\nX-User-ID: user-{user}\r\n\r\n"
    connection.sendall("".join(f"GET {invent(number)}{head}" for number in numbers).encode())
    received = bytearray()
    answers = 0
    while answers < len(numbers) or not received.endswith(b"ok"):
        part = connection.recv(1 << 18)
        if not part:
            break
        received += part
        answers = received.count(END)
    return received.count(END + b"200")
