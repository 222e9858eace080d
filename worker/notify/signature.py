"""What a program can check of a message: who sent it, and when; as Standard Webhooks has it (standardwebhooks.com)."""

import base64
import hmac


def headers(secret: str, identity: str, at: int, body: bytes) -> dict[str, str]:
    """Of a message of that id, sent `at`, in seconds since the epoch."""
    digest = hmac.digest(secret.encode(), f"{identity}.{at}.".encode() + body, "sha256")
    return {
        "content-type": "application/json",
        "webhook-id": identity,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
