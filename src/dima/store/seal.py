"""One digest over every byte of a file, standing in that same file.

The field is blank (64 zeros) while the digest is computed, so that nothing in the file is left
out: neither its layout nor the digits of the digest.
"""

import hashlib

__all__ = ["BLANK", "Buffer", "seal", "unbroken"]

Buffer = bytes | bytearray | memoryview
BLANK = "0" * 64


def seal(data: bytearray) -> bytearray:
    """Fill the first blank of `data`, in place, with the SHA-256 of all of it."""
    at = data.index(BLANK.encode())
    data[at : at + len(BLANK)] = hashlib.sha256(data).hexdigest().encode()
    return data


def unbroken(data: Buffer, digest: str) -> bool:
    """Whether `digest`, as read from `data`, is the one `seal` computed for these bytes."""
    at = bytes(data[:4096]).find(digest.encode())
    if at < 0:
        return False
    view = memoryview(data)
    computed = hashlib.sha256(view[:at])
    computed.update(BLANK.encode())
    computed.update(view[at + len(BLANK) :])
    return computed.hexdigest() == digest
