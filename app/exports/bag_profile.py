"""The BagIt profile of a package (bagit-profiles 1.3.0), served by the API and kept in docs/bagit-profile.json."""

import json
from typing import Any

IDENTIFIER = "urn:exhibit:bagit-profile:export:v1"

PROFILE: dict[str, Any] = {
    "BagIt-Profile-Info": {
        "BagIt-Profile-Identifier": IDENTIFIER,
        "BagIt-Profile-Version": "1.3.0",
        "Source-Organization": "Exhibit",
        "External-Description": "A custody export that proves itself (exhibit-export/v1).",
        "Version": "1",
    },
    "Bag-Info": {
        "External-Identifier": {"required": True, "repeatable": False},
        "Bagging-Date": {"required": True, "repeatable": False},
        "Payload-Oxum": {"required": True, "repeatable": False},
        "BagIt-Profile-Identifier": {"required": True, "repeatable": False, "values": [IDENTIFIER]},
    },
    "Manifests-Required": ["sha256", "sha512"],
    "Manifests-Allowed": ["sha256", "sha512"],
    "Tag-Manifests-Required": ["sha256", "sha512"],
    "Tag-Manifests-Allowed": ["sha256", "sha512"],
    "Tag-Files-Required": ["seal/entry.json", "seal/proof.tlog-proof", "seal/consistency"],
    "Tag-Files-Allowed": ["seal/entry.json", "seal/proof.tlog-proof", "seal/consistency"],
    "Payload-Files-Required": [
        "data/README.txt",
        "data/custody.csv",
        "data/export.json",
        "data/ledger/checkpoint",
        "data/ledger/media.json",
        "data/ledger/streams.json",
        "data/trust/log.vkey",
        "data/trust/policy",
        "data/verify/verify.py",
    ],
    "Allow-Fetch.txt": False,
    "Serialization": "required",
    "Accept-Serialization": ["application/zip"],
    "Accept-BagIt-Version": ["1.0"],
}


def profile_json() -> bytes:
    return json.dumps(PROFILE, indent=2).encode() + b"\n"
