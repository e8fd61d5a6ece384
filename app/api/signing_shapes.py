"""The JSON shapes of what reviewers sign: statements to sign, and DSSE envelopes that come back."""

import base64
from typing import Any, Literal

from pydantic import Field

from app.api.http import Input, Shape
from app.verification.dsse import PAYLOAD_TYPE, pae

HEX32 = r"^[0-9a-f]{64}$"
KEYID = "5b3d7ab14a4a6b8f4a0e0c7f3f5c5f0e7a3a1d2f9b8c7d6e5f4a3b2c1d0e9f8a"
PUBLIC_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
BASE64_LIMIT = 200_000


class DsseSignature(Input):
    keyid: str = Field(max_length=200, examples=[KEYID])
    sig: str = Field(max_length=200, description="Base64 of the signature over the PAE.")


class EnvelopeInput(Input):
    """A DSSE envelope (v1) with exactly one signature; base64 of the standard alphabet, padded."""

    payload: str = Field(max_length=BASE64_LIMIT, description="Base64 of the statement's bytes.")
    payloadType: str = Field(max_length=200, examples=[PAYLOAD_TYPE])  # noqa: N815 - DSSE's own name
    signatures: list[DsseSignature] = Field(max_length=10)


ENVELOPE_EXAMPLE: dict[str, Any] = {
    "payload": "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==",
    "payloadType": PAYLOAD_TYPE,
    "signatures": [{"keyid": KEYID, "sig": "A" * 86 + "=="}],
}


class StatementShape(Shape):
    """What to sign, and how: sign the bytes of `pae`, put `payload` and the signature into an envelope."""

    payload_type: Literal["application/vnd.in-toto+json"] = "application/vnd.in-toto+json"
    payload: str = Field(description="Base64 of the in-toto statement, in canonical JSON: the envelope's `payload`.")
    pae: str = Field(
        description="Base64 of DSSE's pre-authentication encoding: the bytes to sign. It is "
        "`DSSEv1 <length of type> <type> <length of payload> <payload>`, lengths in bytes, decimal."
    )
    keyid: str = Field(description="The signature's `keyid`.")


def statement_shape(payload: bytes, keyid: str) -> StatementShape:
    return StatementShape(
        payload=base64.b64encode(payload).decode("ascii"),
        pae=base64.b64encode(pae(payload)).decode("ascii"),
        keyid=keyid,
    )
