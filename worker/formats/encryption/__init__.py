"""age: what is encrypted to public keys here is opened by whoever has one of the secret keys, with `age -d` too.

recipients.py encrypts, identities.py decrypts, keys.py makes and reads the files that secret keys lie in, pump.py makes streams
of a library that knows files only.
"""

from worker.formats.encryption.identities import HOW, NONE, Keys, is_encrypted, keys_of
from worker.formats.encryption.recipients import KEPT, PLAIN, Encryption, encryption_of

__all__ = ["HOW", "KEPT", "NONE", "PLAIN", "Encryption", "Keys", "encryption_of", "is_encrypted", "keys_of"]
