"""
Trust the image's certificate authorities, or Mozilla's if the image has none.

Our OpenSSL looks only in Debian's path for its package openssl. Other images have other
paths, and minimal images have no authorities: there, the bundle's own list is used. The
variables SSL_CERT_FILE and SSL_CERT_DIR take precedence.
"""

import os
import ssl
import sys
from pathlib import Path

OURS = Path(sys.executable).parent / "ca-certificates.crt"
PATHS = [
    Path("/etc/ssl/certs/ca-certificates.crt"),  # Debian, Ubuntu, Alpine, Wolfi
    Path("/etc/pki/tls/certs/ca-bundle.crt"),  # Red Hat
    Path("/etc/ssl/cert.pem"),
    OURS,
]

usual = ssl.get_default_verify_paths()
if not (usual.cafile or usual.capath):
    found = next((path for path in PATHS if path.is_file()), OURS)
    os.environ["SSL_CERT_FILE"] = str(found)
