"""Signatures of releases in the OpenSSF model-signing format: `model.sig`, a Sigstore bundle over all file hashes.

The format is written here with `cryptography` alone: the package `model-signing` brings Sigstore's whole client, which
serving must not load. Its command line verifies these signatures, and a test holds both to the same format:

    model_signing verify key RELEASE --signature RELEASE/model.sig --public_key release-signing.pub.pem

The key is of the elliptic curve P-256, and the nonce that of RFC 6979: a release is the same bytes whenever it is
built.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from touchline.errors import ReleaseTampered
from touchline.registry.release.digest import DIGEST_FILE, SIGNATURE_FILE, file_hashes, sha256_of

_PRIVATE: Final = "release-signing.pem"
_PUBLIC: Final = "*.pub.pem"
_BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD: Final = "application/vnd.in-toto+json"
_STATEMENT: Final = "https://in-toto.io/Statement/v1"
_PREDICATE: Final = "https://model_signing/signature/v1.0"
# The git files are those that the format leaves out by default.
_LEFT_OUT: Final = [SIGNATURE_FILE, ".git", ".gitattributes", ".github", ".gitignore"]


@dataclass(frozen=True)
class ReleaseKeys:
    """The keys of an installation, in a folder: the private one, and the public ones of all releases that it trusts.

    With `is_required`, a release without a signature of one of them is refused; without, only a wrong signature is.
    """

    folder: Path
    is_required: bool = False

    def sign(self, folder: Path, name: str) -> None:
        """Write the signature of a complete release into it, with a new key where there is none yet."""
        (folder / SIGNATURE_FILE).write_bytes(_signed(folder, name, self._private_pem()))

    def verify(self, folder: Path) -> None:
        """Raise `ReleaseTampered` where the signature is not one of a trusted key over exactly these files."""
        signature, keys = folder / SIGNATURE_FILE, dict(self._public_keys())
        if not signature.exists():
            if self.is_required:
                raise ReleaseTampered(str(folder), SIGNATURE_FILE, actual="missing", expected="a signature")
            return
        if not keys and not self.is_required:
            return
        _verify(folder, signature, keys)

    def rotate(self) -> Path:
        """Begin a new private key; the old one is deleted, and its public key stays trusted. The new public key."""
        private = self.folder / _PRIVATE
        self._private_pem()
        private.unlink()
        self._private_pem()
        return max(self.folder.glob(_PUBLIC), key=lambda path: path.stat().st_mtime_ns)

    def _private_pem(self) -> bytes:
        path = self.folder / _PRIVATE
        if path.exists():
            return path.read_bytes()
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = _public_pem(key.public_key())
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The public key first: a private one without it would sign what nobody can verify.
        (self.folder / f"release-{sha256_of(public)[:12]}.pub.pem").write_bytes(public)
        partial = self.folder / f"{_PRIVATE}.{os.getpid()}"
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
        try:
            path.hardlink_to(partial)
        except FileExistsError:
            pass  # another process was faster: its key is the one
        finally:
            partial.unlink()
        return path.read_bytes()

    def _public_keys(self) -> Iterator[tuple[str, EllipticCurvePublicKey]]:
        """The trusted public keys by the hash that a signature names them with."""
        for path in sorted(self.folder.glob(_PUBLIC)):
            key = serialization.load_pem_public_key(path.read_bytes())
            if isinstance(key, ec.EllipticCurvePublicKey):
                yield sha256_of(_public_pem(key)), key


def _signed(folder: Path, name: str, private_pem: bytes) -> bytes:
    key = serialization.load_pem_private_key(private_pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    payload = json.dumps(_statement(folder, name), sort_keys=True).encode()
    signature = key.sign(_to_sign(payload), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    bundle = {
        "mediaType": _BUNDLE,
        "verificationMaterial": {
            "publicKey": {"hint": sha256_of(_public_pem(key.public_key()))},
            "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": _PAYLOAD,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }
    return json.dumps(bundle, indent=1).encode()


def _verify(folder: Path, file: Path, keys: dict[str, EllipticCurvePublicKey]) -> None:
    try:
        bundle = json.loads(file.read_bytes())
        envelope = bundle["dsseEnvelope"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        hint = bundle["verificationMaterial"]["publicKey"]["hint"]
        if hint not in keys:
            trusted = ", ".join(key[:12] for key in keys) or "none"
            raise ReleaseTampered(str(folder), SIGNATURE_FILE, actual=f"by key {hint[:12]}", expected=f"key {trusted}")
        signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
        keys[hint].verify(signature, _to_sign(payload), ec.ECDSA(hashes.SHA256()))
        statement = json.loads(payload)
        signed = {one["name"]: one["digest"] for one in statement["predicate"]["resources"]}
    except (ValueError, KeyError, TypeError, IndexError, InvalidSignature) as wrong:
        raise ReleaseTampered(
            str(folder), SIGNATURE_FILE, actual="no valid signature", expected="a valid one"
        ) from wrong
    actual = _file_hashes(folder)
    for path in sorted({*signed, *actual}):
        if signed.get(path) != actual.get(path):
            raise ReleaseTampered(
                str(folder),
                path,
                actual=actual.get(path, "missing")[:12],
                expected=signed.get(path, "no such file")[:12],
            )


def _statement(folder: Path, name: str) -> dict[str, Any]:
    files = sorted(_file_hashes(folder).items())
    whole = hashlib.sha256(b"".join(bytes.fromhex(digest) for _, digest in files)).hexdigest()
    return {
        "_type": _STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": whole}}],
        "predicateType": _PREDICATE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": _LEFT_OUT,
            },
            "resources": [{"name": path, "algorithm": "sha256", "digest": digest} for path, digest in files],
        },
    }


def _file_hashes(folder: Path) -> dict[str, str]:
    """The hashes of all files but the signature itself, in the order of their names."""
    digest = folder / DIGEST_FILE
    return {**file_hashes(folder), **({DIGEST_FILE: sha256_of(digest.read_bytes())} if digest.exists() else {})}


def _public_pem(key: EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _to_sign(payload: bytes) -> bytes:
    """The bytes that DSSE signs: the payload with its type and both lengths."""
    return b" ".join([f"DSSEv1 {len(_PAYLOAD)} {_PAYLOAD} {len(payload)}".encode(), payload])
