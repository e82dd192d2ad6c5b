"""
Trust the authorities that the image trusts, wherever it keeps them, or else Mozilla's.

Our OpenSSL looks where Debian keeps them when its package openssl is installed. Other
images have other places, and the slimmest have none: there, the bundle's own list is
in effect. Whoever sets SSL_CERT_FILE or SSL_CERT_DIR has the last word.
"""

import os
import ssl
import sys
from pathlib import Path

OURS = Path(sys.executable).parent / "ca-certificates.crt"
PLACES = [
    Path("/etc/ssl/certs/ca-certificates.crt"),  # Debian, Ubuntu, Alpine, Wolfi
    Path("/etc/pki/tls/certs/ca-bundle.crt"),  # Red Hat
    Path("/etc/ssl/cert.pem"),
    OURS,
]

usual = ssl.get_default_verify_paths()
if not (usual.cafile or usual.capath):
    there = next((place for place in PLACES if place.is_file()), OURS)
    os.environ["SSL_CERT_FILE"] = str(there)
