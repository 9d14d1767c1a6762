"""`make swagger-ui`: take Swagger UI's files from its npm package into the API, compressed. Only for upgrading it.

The package's digest is pinned here, so what is committed can be made again and compared.
"""

import base64
import gzip
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "5.35.0"
SHA512 = "U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ=="
TARGET = Path(__file__).parent.parent / "api_service" / "maraudersmap_api" / "http" / "swagger_ui"
COMPRESSED = ("swagger-ui-bundle.js", "swagger-ui.css")
PLAIN = ("LICENSE", "NOTICE")


def main() -> int:
    """Write the files; 1 when the package is not the one that was reviewed."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", f"swagger-ui-dist@{VERSION}"], cwd=folder, check=True)
        archive = Path(folder) / f"swagger-ui-dist-{VERSION}.tgz"
        if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != SHA512:
            print("the package's digest is not the pinned one", file=sys.stderr)
            return 1
        with tarfile.open(archive) as package:
            for name in (*COMPRESSED, *PLAIN):
                file = package.extractfile(f"package/{name}")
                if file is None:
                    raise FileNotFoundError(name)
                content = file.read()
                if name in COMPRESSED:
                    (TARGET / f"{name}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
                else:
                    (TARGET / f"SWAGGER-UI-{name}").write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
