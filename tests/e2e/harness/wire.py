"""HTTP/1.1 by hand on asyncio: many requests for little processor time, and nothing hidden when a connection breaks."""

import asyncio
import time
from dataclasses import dataclass, field

#: Seconds after which a client has waited long enough.
PATIENCE = 90


@dataclass
class Reply:
    """An answer, whole."""

    status: int
    headers: dict[str, str]
    body: bytes
    #: When the request was begun and when the answer's head was there, by `time.monotonic()`.
    sent: float
    came: float


class BrokenError(Exception):
    """A connection that could not be made or that broke, and all that its client knows of it."""


@dataclass
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    answers: int = 0
    #: Since when nobody asks on it.
    idle: float = field(default_factory=time.monotonic)


class Wire:
    """A client that asks one thing at a time and keeps a connection to each server. It never asks twice."""

    def __init__(self) -> None:
        self._kept: dict[int, Connection] = {}

    async def post(self, port: int, path: str, headers: dict[str, str], body: bytes) -> Reply:
        lines = [f"POST {path} HTTP/1.1", f"host: 127.0.0.1:{port}", "content-type: application/json"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append(f"content-length: {len(body)}")
        request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        sent = time.monotonic()
        connection, stage = None, "connecting"
        try:
            async with asyncio.timeout(PATIENCE):
                connection = await self._connection(port)
                stage = "the request"
                connection.writer.write(request)
                await connection.writer.drain()
                stage = "the answer's head"
                head = (await connection.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                came = time.monotonic()
                stage = "the answer's body"
                first, *rest = head[:-4].split("\r\n")
                fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
                content = await read_body(connection.reader, fields)
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError) as error:
            raise BrokenError(told(error, stage, connection, sent)) from error
        connection.answers += 1
        connection.idle = time.monotonic()
        if fields.get("connection") == "close":
            connection.writer.close()
        else:
            self._kept[port] = connection
        return Reply(int(first.split()[1]), fields, content, sent, came)

    async def _connection(self, port: int) -> Connection:
        kept = self._kept.pop(port, None)
        if kept and not kept.reader.at_eof() and not kept.reader.exception():
            return kept
        if kept:
            kept.writer.close()
        return Connection(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))

    def close(self) -> None:
        for connection in self._kept.values():
            connection.writer.close()


async def read_body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    if "content-length" in fields:
        return await reader.readexactly(int(fields["content-length"]))
    pieces = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        pieces.append((await reader.readexactly(size + 2))[:-2])
    await reader.readexactly(2)
    return b"".join(pieces)


def told(error: BaseException, stage: str, connection: Connection | None, sent: float) -> str:
    if connection is None:
        return f"{error!r} when {stage}"
    rest = f"{sent - connection.idle:.3f} s after the answer before" if connection.answers else "a new one"
    return f"{error!r} at {stage}, on a connection of {connection.answers} answers, {rest}"
