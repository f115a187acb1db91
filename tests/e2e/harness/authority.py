"""Certificates, as an operator's own authority would give them."""

import subprocess
from pathlib import Path


def make_authority(folder: Path) -> Path:
    """Makes in a folder an authority (`ca.pem`), and a certificate of it for `localhost` (`server.pem`, `server.key`)."""
    new_key = ("-newkey", "rsa:2048", "-nodes")
    openssl(folder, "req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test")
    openssl(folder, "req", *new_key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
    signed = ("-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
    openssl(folder, "x509", "-req", *signed, "-extfile", "names", "-out", "server.pem")
    return folder


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)
