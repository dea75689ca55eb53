"""A certificate authority of the tests' own and a server certificate for 127.0.0.1, made by openssl for two days."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = driftd tests
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
subjectAltName = IP:127.0.0.1, DNS:localhost
extendedKeyUsage = serverAuth
"""
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-config", "openssl.cnf"]


@dataclass(frozen=True)
class Certificates:
    """PEM files: what a client trusts, and the server's key followed by its certificate chain."""

    ca_file: Path
    keystore: Path


def make_certificates(folder: Path) -> Certificates:
    """New files in `folder`, which has to exist."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    (folder / "openssl.cnf").write_text(CONFIG)
    openssl("req", "-x509", *NEW_KEY, "-extensions", "authority", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-new", *NEW_KEY, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-out", "server.pem"]
    openssl("x509", "-req", "-in", "server.csr", "-extfile", "openssl.cnf", "-extensions", "server", *signed)
    keystore = folder / "keystore.pem"
    keystore.write_text("".join((folder / name).read_text() for name in ("server.key", "server.pem", "ca.pem")))
    return Certificates(folder / "ca.pem", keystore)
