"""Requests as bytes, for what no HTTP library sends."""

import socket

from .gateway import CLIENT_KEY, Gateway

CHAT = "/v1/chat/completions"


def raw_exchange(gateway: Gateway, request: bytes) -> bytes:
    """Sends bytes and reads until the gateway closes the connection or has answered."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(request)
        answer = bytearray()
        while piece := connection.recv(65536):
            answer += piece
            head, _, body = bytes(answer).partition(b"\r\n\r\n")
            length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if length and len(body) >= int(length[0].split(b":")[1]):
                break
        return bytes(answer)


def raw_head(length: int, *more: str) -> bytes:
    """The head of a chat request. A length below zero is not told."""
    lines = [f"POST {CHAT} HTTP/1.1", "host: x", f"authorization: Bearer {CLIENT_KEY}", *more]
    if length >= 0:
        lines.append(f"content-length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
