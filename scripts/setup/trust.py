"""What a Java program must be told about the network that other programs take from the system: certificates, proxy.

A packaged Java runtime knows only the public certificate authorities, and no Java reads HTTPS_PROXY.
"""

from __future__ import annotations

import hashlib
import os
import re
import ssl
import struct
from pathlib import Path
from urllib.parse import urlsplit

BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
PASSWORD = "changeit"  # noqa: S105 - Java's own default; the store holds public certificates only


def java_options(folder: Path) -> list[str]:
    """Options for `java`; writes a trust store to `folder` where the system has a bundle of certificates."""
    options = []
    bundle = next((path for path in (os.environ.get("SSL_CERT_FILE"), *BUNDLES) if path and Path(path).is_file()), None)
    if bundle:
        store = folder / "trusted.jks"
        folder.mkdir(parents=True, exist_ok=True)
        store.write_bytes(trust_store(Path(bundle).read_text(encoding="utf-8", errors="ignore")))
        options += [f"-Djavax.net.ssl.trustStore={store}", f"-Djavax.net.ssl.trustStorePassword={PASSWORD}"]
    proxy = urlsplit(os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or "")
    if proxy.hostname:
        options += [f"-Dhttps.proxyHost={proxy.hostname}", f"-Dhttps.proxyPort={proxy.port or 8080}"]
    return options


def trust_store(pem: str) -> bytes:
    """The certificates of a PEM bundle as a Java key store (JKS, version 2, trusted entries only)."""
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", pem, re.DOTALL)
    body = struct.pack(">III", 0xFEEDFEED, 2, len(blocks))
    for number, block in enumerate(blocks):
        certificate = ssl.PEM_cert_to_DER_cert(block)
        body += struct.pack(">I", 2) + _text(f"ca{number}") + struct.pack(">Q", 0)
        body += _text("X.509") + struct.pack(">I", len(certificate)) + certificate
    # The format's own seal: the password as UTF-16 and a fixed phrase go before the content.
    seal = hashlib.sha1(PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + body, usedforsecurity=False)
    return body + seal.digest()


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack(">H", len(encoded)) + encoded
