"""TLS material made on the fly: an authority, server certificates, and an authority that signed none of them."""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=30)


@dataclasses.dataclass(frozen=True)
class Identity:
    """A certificate with its key. `bundle` is key and chain in one PEM file, as the Java servers want it."""

    certificate: pathlib.Path
    key: pathlib.Path
    bundle: pathlib.Path


class Certificates:
    """Files in one folder. `ca` signed `server`; `unrelated_ca` is valid and signed nothing a server presents."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._authorities = {name: self._make_authority(name) for name in ("ca", "unrelated-ca")}
        self.ca = folder / "ca.pem"
        self.unrelated_ca = folder / "unrelated-ca.pem"
        self.server = self.issue("server")

    def issue(
        self,
        name: str,
        hosts: tuple[str, ...] = ("localhost", "127.0.0.1"),
        authority: str = "ca",
        expired: bool = False,
    ) -> Identity:
        """A server certificate for `hosts` (names or addresses): <name>.pem, <name>.key and <name>.bundle.pem."""
        ca_key, ca_certificate = self._authorities[authority]
        key = ec.generate_private_key(ec.SECP256R1())
        names = [_general_name(host) for host in hosts]
        builder = _builder(name, ca_certificate.subject, key, expired)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        certificate = builder.sign(ca_key, hashes.SHA256())
        identity = Identity(*(self.folder / f"{name}{suffix}" for suffix in (".pem", ".key", ".bundle.pem")))
        identity.certificate.write_bytes(_pem(certificate))
        identity.key.write_bytes(_key_pem(key))
        identity.key.chmod(0o600)
        identity.bundle.write_bytes(_key_pem(key) + _pem(certificate) + _pem(ca_certificate))
        identity.bundle.chmod(0o600)
        return identity

    def _make_authority(self, name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(f"Millrace tests {name}", None, key, expired=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        certificate = builder.sign(key, hashes.SHA256())
        (self.folder / f"{name}.pem").write_bytes(_pem(certificate))
        return key, certificate


def _builder(
    name: str, issuer: x509.Name | None, key: ec.EllipticCurvePrivateKey, expired: bool
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    ends = now - datetime.timedelta(hours=1) if expired else now + LIFETIME
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(ends)
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
