"""The Vercel AI SDK, in a Node.js process that asks what it is told."""

import json
import subprocess
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent.parent / "js"


class Node:
    """One process for many requests, one at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", "serve.mjs"], cwd=_FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **job: Any) -> dict[str, Any]:
        """`{"ok": ...}` or `{"error": ...}`."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "Node.js ended"
        return json.loads(line)

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=10)
