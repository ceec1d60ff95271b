//! The TLS context of the driver's connections, and which names a node's certificate may carry.

use std::ffi::{c_char, c_uint};
use std::sync::{Arc, Mutex};

use foreign_types::ForeignTypeRef;
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslFiletype, SslMethod, SslVerifyMode};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509Ref, X509StoreContextRef, X509VerifyResult, X509};

use crate::config::Tls;
use crate::failure::{Failure, Status};

/// Of <openssl/x509v3.h>; the crates do not export them all.
const CHECK_FLAG_NO_PARTIAL_WILDCARDS: c_uint = 0x4;
const CHECK_FLAG_NEVER_CHECK_SUBJECT: c_uint = 0x20;
/// Of <openssl/x509_vfy.h>.
const IP_ADDRESS_MISMATCH: i32 = 64;

/// Why certificates were refused; OpenSSL's own error only says that they were.
#[derive(Clone, Default)]
pub struct Refusals(Arc<Mutex<Option<String>>>);

impl Refusals {
    fn place(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn last(&self) -> Option<String> {
        self.place().clone()
    }
}

fn tls_failure(what: &str, file: &str, error: impl std::fmt::Display) -> Failure {
    Failure::new(Status::Tls, format!("{what} {file}: {error}"))
}

fn trust(builder: &mut SslConnectorBuilder, file: &str) -> Result<(), Failure> {
    let what = "the certificate authority";
    let internal = |error: openssl::error::ErrorStack| Failure::new(Status::Tls, error.to_string());
    let pem = std::fs::read(file).map_err(|error| tls_failure(what, file, error))?;
    let all = X509::stack_from_pem(&pem).map_err(|error| tls_failure(what, file, error))?;
    if all.is_empty() {
        return Err(tls_failure(what, file, "holds no PEM certificate"));
    }
    // Only these are trusted, not the system's as well.
    let mut store = X509StoreBuilder::new().map_err(internal)?;
    for certificate in all {
        store.add_cert(certificate).map_err(internal)?;
    }
    builder.set_cert_store(store.build());
    Ok(())
}

/// `names`: those that a node's certificate may carry instead of the node's IP address.
pub fn builder(
    tls: &Tls,
    names: Vec<String>,
    refusals: &Refusals,
) -> Result<SslConnectorBuilder, Failure> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())
        .map_err(|error| Failure::new(Status::Tls, error.to_string()))?;
    if let Some(file) = &tls.ca_file {
        trust(&mut builder, file)?;
    }
    if let Some(file) = &tls.certificate_file {
        builder
            .set_certificate_chain_file(file)
            .map_err(|error| tls_failure("the client certificate", file, error))?;
        let key = tls.key_file.as_deref().unwrap_or(file);
        builder
            .set_private_key_file(key, SslFiletype::PEM)
            .and_then(|()| builder.check_private_key())
            .map_err(|error| tls_failure("the client key", key, error))?;
    }
    let refusals = refusals.clone();
    builder.set_verify_callback(SslVerifyMode::PEER, move |accepted, context| {
        let accepted = accepted || is_named(context, &names);
        if !accepted {
            *refusals.place() = Some(reason_of(context));
        }
        accepted
    });
    Ok(builder)
}

/// Whether all that OpenSSL misses is the IP address in a certificate that carries one of the names. OpenSSL goes on
/// with its other checks then, and asks again for each that fails.
fn is_named(context: &mut X509StoreContextRef, names: &[String]) -> bool {
    if context.error().as_raw() != IP_ADDRESS_MISMATCH || context.error_depth() != 0 {
        return false;
    }
    let carries = |leaf: &X509Ref| names.iter().any(|name| carries_name(leaf, name));
    let named = context.current_cert().is_some_and(carries);
    if named {
        context.set_error(X509VerifyResult::OK);
    }
    named
}

fn carries_name(certificate: &X509Ref, name: &str) -> bool {
    // OpenSSL takes the length 0 for "up to the NUL", which a text of Rust has not.
    if name.is_empty() {
        return false;
    }
    // SAFETY: both pointers are valid for the call, which keeps none of them.
    let found = unsafe {
        openssl_sys::X509_check_host(
            certificate.as_ptr(),
            name.as_ptr().cast::<c_char>(),
            name.len(),
            CHECK_FLAG_NO_PARTIAL_WILDCARDS | CHECK_FLAG_NEVER_CHECK_SUBJECT,
            std::ptr::null_mut(),
        )
    };
    // Negative: a malformed name or certificate.
    found == 1
}

fn reason_of(context: &X509StoreContextRef) -> String {
    let reason = context.error().error_string();
    let subject = context
        .current_cert()
        .map(|certificate| format!(" (certificate of {})", subject_of(certificate)));
    format!("{reason}{}", subject.unwrap_or_default())
}

fn subject_of(certificate: &X509Ref) -> String {
    let parts: Vec<String> = certificate
        .subject_name()
        .entries()
        .filter_map(|entry| {
            let name = entry.object().nid().short_name().ok()?;
            let value = entry.data().to_string().ok()?;
            Some(format!("{name}={value}"))
        })
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, TcpListener, TcpStream};
    use std::path::{Path, PathBuf};

    use openssl::asn1::Asn1Time;
    use openssl::bn::BigNum;
    use openssl::hash::MessageDigest;
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;
    use openssl::ssl::{Ssl, SslAcceptor, SslStream};
    use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
    use openssl::x509::{X509Name, X509NameBuilder};

    use super::*;

    const NODE: &str = "127.0.0.1";

    struct Issued {
        certificate: X509,
        key: PKey<Private>,
    }

    fn named(name: &str) -> X509Name {
        let mut builder = X509NameBuilder::new().unwrap();
        builder.append_entry_by_text("CN", name).unwrap();
        builder.build()
    }

    /// Alternative names are "IP:..." or "DNS:...". Without an issuer: an authority.
    fn issue(subject: &str, issuer: Option<&Issued>, names: &[&str], days: u32) -> Issued {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let serial = BigNum::from_u32(1 + names.len() as u32).unwrap();
        builder
            .set_serial_number(&serial.to_asn1_integer().unwrap())
            .unwrap();
        builder.set_subject_name(&named(subject)).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder
            .set_not_before(&Asn1Time::from_unix(0).unwrap())
            .unwrap();
        let end = match days {
            0 => Asn1Time::from_unix(86_400).unwrap(),
            days => Asn1Time::days_from_now(days).unwrap(),
        };
        builder.set_not_after(&end).unwrap();
        match issuer {
            None => {
                let authority = BasicConstraints::new().critical().ca().build().unwrap();
                builder.append_extension(authority).unwrap();
                builder.set_issuer_name(&named(subject)).unwrap();
                builder.sign(&key, MessageDigest::sha256()).unwrap();
            }
            Some(issuer) => {
                let mut alternatives = SubjectAlternativeName::new();
                for name in names {
                    match name.split_once(':').unwrap() {
                        ("IP", address) => alternatives.ip(address),
                        (_, name) => alternatives.dns(name),
                    };
                }
                if !names.is_empty() {
                    let context = builder.x509v3_context(Some(&issuer.certificate), None);
                    let extension = alternatives.build(&context).unwrap();
                    builder.append_extension(extension).unwrap();
                }
                builder
                    .set_issuer_name(issuer.certificate.subject_name())
                    .unwrap();
                builder.sign(&issuer.key, MessageDigest::sha256()).unwrap();
            }
        }
        Issued {
            certificate: builder.build(),
            key,
        }
    }

    fn folder() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("millrace-tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn written(to: &Path, authority: &Issued) -> String {
        std::fs::write(to, authority.certificate.to_pem().unwrap()).unwrap();
        to.to_str().unwrap().to_owned()
    }

    /// A handshake as the driver makes it, with the node at 127.0.0.1; why it failed otherwise.
    fn handshake(ca_file: &str, of_node: &Issued, names: &[&str]) -> Result<(), String> {
        let listener = TcpListener::bind((NODE, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_certificate(&of_node.certificate).unwrap();
        acceptor.set_private_key(&of_node.key).unwrap();
        let acceptor = acceptor.build();
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let _ = acceptor.accept(stream);
        });
        let refusals = Refusals::default();
        let tls = Tls {
            ca_file: Some(ca_file.to_owned()),
            ..Tls::default()
        };
        let names = names.iter().map(|&name| name.to_owned()).collect();
        let context = builder(&tls, names, &refusals)
            .unwrap()
            .build()
            .into_context();
        let mut ssl = Ssl::new(&context).unwrap();
        ssl.set_connect_state();
        ssl.param_mut()
            .set_ip(NODE.parse::<IpAddr>().unwrap())
            .unwrap();
        let mut stream = SslStream::new(ssl, TcpStream::connect(address).unwrap()).unwrap();
        let outcome = stream.do_handshake();
        drop(stream);
        server.join().unwrap();
        outcome.map_err(|error| refusals.last().unwrap_or_else(|| error.to_string()))
    }

    #[test]
    fn a_certificate_carries_the_address_or_the_name_of_a_contact_point() {
        let authority = issue("authority", None, &[], 10);
        let ca_file = written(&folder().join("names.pem"), &authority);
        let node = |names: &[&str]| issue("node", Some(&authority), names, 10);
        let by_address = node(&["IP:127.0.0.1"]);
        let by_name = node(&["DNS:db.example", "IP:10.0.0.1"]);
        let wildcard = node(&["DNS:*.db.example"]);
        assert_eq!(handshake(&ca_file, &by_address, &[]), Ok(()));
        assert_eq!(
            handshake(&ca_file, &by_name, &["other.example", "db.example"]),
            Ok(())
        );
        assert_eq!(handshake(&ca_file, &by_name, &["DB.example"]), Ok(()));
        assert_eq!(handshake(&ca_file, &wildcard, &["a.db.example"]), Ok(()));

        let mismatch = "IP address mismatch";
        for (certificate, names) in [
            (&by_name, &[][..]),
            (&by_name, &["other.example"][..]),
            (&by_name, &["example"][..]),
            (&by_name, &[""][..]),
            (&wildcard, &["a.b.db.example"][..]),
            (&wildcard, &["db.example"][..]),
            // The subject's name is no alternative name.
            (&node(&["DNS:db.example"]), &["node"][..]),
            (&node(&[]), &["node"][..]),
        ] {
            let refused = handshake(&ca_file, certificate, names).unwrap_err();
            assert!(
                refused.to_lowercase().contains(&mismatch.to_lowercase()),
                "{names:?}: {refused}"
            );
        }
    }

    #[test]
    fn a_name_excuses_neither_an_unknown_authority_nor_an_expired_certificate() {
        let authority = issue("authority", None, &[], 10);
        let other = issue("other authority", None, &[], 10);
        let ca_file = written(&folder().join("chain.pem"), &authority);
        let foreign = issue("node", Some(&other), &["DNS:db.example"], 10);
        let expired = issue("node", Some(&authority), &["DNS:db.example"], 0);
        let refused = handshake(&ca_file, &foreign, &["db.example"]).unwrap_err();
        assert!(
            refused.contains("issuer") || refused.contains("signed"),
            "{refused}"
        );
        let refused = handshake(&ca_file, &expired, &["db.example"]).unwrap_err();
        assert!(refused.contains("expired"), "{refused}");
    }

    fn refused(tls: Tls) -> Failure {
        builder(&tls, Vec::new(), &Refusals::default())
            .err()
            .expect("must be refused")
    }

    #[test]
    fn unusable_certificate_files_are_named() {
        let missing = Tls {
            ca_file: Some("/nonexistent/ca.pem".into()),
            ..Tls::default()
        };
        let failure = refused(missing);
        assert_eq!(failure.status, Status::Tls);
        assert!(failure.message.contains("/nonexistent/ca.pem"));

        let not_pem = Tls {
            ca_file: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into()),
            ..Tls::default()
        };
        assert!(refused(not_pem).message.contains("no PEM certificate"));

        let key = Tls {
            certificate_file: Some("/nonexistent/client.pem".into()),
            ..Tls::default()
        };
        assert!(refused(key).message.contains("/nonexistent/client.pem"));
    }
}
