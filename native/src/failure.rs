//! What went wrong, in the closed terms of the interface. Every error of the driver ends here, and nothing else
//! looks at the driver's error types.

use std::error::Error;
use std::future::Future;
use std::io;
use std::time::Duration;

use scylla::errors::{
    BrokenConnectionError, BrokenConnectionErrorKind, ConnectionError, ConnectionPoolError,
    ConnectionSetupRequestErrorKind as SetupError, DbError, ExecutionError, FrameHeaderParseError,
    MetadataError, MetadataFetchErrorKind, NewSessionError, NextPageError, NextRowError,
    PrepareError, RequestAttemptError, RequestError, UseKeyspaceError,
};
use scylla::frame::protocol_features::ProtocolFeatures;

/// The server sent no code of the CQL protocol.
pub const NO_CODE: i32 = -1;

/// The values are part of the C interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    Ok = 0,
    Unavailable = 1,
    ServerTimeout = 2,
    Overloaded = 3,
    ClientTimeout = 4,
    Unauthorized = 5,
    Invalid = 6,
    Protocol = 7,
    Tls = 8,
    Config = 9,
    Cancelled = 10,
    Internal = 11,
}

impl Status {
    fn retryable(self) -> bool {
        match self {
            Status::Unavailable
            | Status::ServerTimeout
            | Status::Overloaded
            | Status::ClientTimeout => true,
            Status::Ok
            | Status::Unauthorized
            | Status::Invalid
            | Status::Protocol
            | Status::Tls
            | Status::Config
            | Status::Cancelled
            | Status::Internal => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub status: Status,
    pub code: i32,
    pub retryable: bool,
    pub message: String,
}

impl Failure {
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Failure {
            status,
            code: NO_CODE,
            retryable: status.retryable(),
            message: message.into(),
        }
    }

    pub fn cancelled() -> Self {
        Failure::new(
            Status::Cancelled,
            "the connection to the database is closing",
        )
    }

    fn of(status: Status, error: &impl Error) -> Self {
        // Some of the driver's texts go over several indented lines.
        let text = error.to_string();
        let words: Vec<&str> = text.split_whitespace().collect();
        Failure::new(status, words.join(" "))
    }
}

/// Work that has to end in time.
pub async fn within<T>(
    timeout: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(timeout, work).await {
        Ok(result) => result,
        Err(_) => Err(Failure::new(
            Status::ClientTimeout,
            format!("no answer within {} ms", timeout.as_millis()),
        )),
    }
}

impl From<&DbError> for Status {
    fn from(error: &DbError) -> Self {
        match error {
            DbError::WriteTimeout { .. } | DbError::ReadTimeout { .. } => Status::ServerTimeout,
            DbError::Overloaded | DbError::RateLimitReached { .. } => Status::Overloaded,
            DbError::Unavailable { .. }
            | DbError::IsBootstrapping
            | DbError::ReadFailure { .. }
            | DbError::WriteFailure { .. }
            | DbError::TruncateError
            | DbError::ServerError => Status::Unavailable,
            DbError::AuthenticationError | DbError::Unauthorized => Status::Unauthorized,
            DbError::SyntaxError
            | DbError::Invalid
            | DbError::ConfigError
            | DbError::AlreadyExists { .. }
            | DbError::FunctionFailure { .. } => Status::Invalid,
            // UNPREPARED reaches us only when preparing again did not help.
            DbError::ProtocolError | DbError::Unprepared { .. } | DbError::Other(_) => {
                Status::Protocol
            }
            // The driver's enum is open: a kind that a later version adds.
            _ => Status::Protocol,
        }
    }
}

fn from_server(error: &DbError, text: &str) -> Failure {
    let status = Status::from(error);
    let code = match error {
        // Its number is negotiated per connection.
        DbError::RateLimitReached { .. } => NO_CODE,
        known => known.code(&ProtocolFeatures::default()),
    };
    // The driver's own sentence repeats what the code says, except where it carries numbers.
    let message = match error {
        DbError::Unavailable { .. }
        | DbError::WriteTimeout { .. }
        | DbError::ReadTimeout { .. }
        | DbError::WriteFailure { .. }
        | DbError::ReadFailure { .. } => format!("{error}: {text}"),
        DbError::RateLimitReached { .. } | DbError::Overloaded if text.is_empty() => {
            error.to_string()
        }
        _ => text.to_owned(),
    };
    Failure {
        code,
        ..Failure::new(status, message)
    }
}

/// The OpenSSL error inside an I/O error, if that is what it is.
fn tls_failure(error: &io::Error) -> Option<Failure> {
    let inner = error.get_ref()?;
    let is_tls = inner.downcast_ref::<openssl::ssl::Error>().map_or_else(
        || inner.is::<openssl::error::ErrorStack>(),
        |tls| tls.ssl_error().is_some(),
    );
    is_tls.then(|| Failure::new(Status::Tls, inner.to_string()))
}

fn from_io(error: &io::Error) -> Failure {
    tls_failure(error).unwrap_or_else(|| Failure::of(Status::Unavailable, error))
}

impl From<&BrokenConnectionError> for Failure {
    fn from(error: &BrokenConnectionError) -> Self {
        let parse = match error.downcast_ref::<BrokenConnectionErrorKind>() {
            Some(BrokenConnectionErrorKind::FrameHeaderParseError(parse)) => parse,
            Some(BrokenConnectionErrorKind::WriteError(io)) => {
                return tls_failure(io).unwrap_or_else(|| Failure::of(Status::Unavailable, error));
            }
            _ => return Failure::of(Status::Unavailable, error),
        };
        match parse {
            FrameHeaderParseError::HeaderIoError(io)
            | FrameHeaderParseError::BodyChunkIoError(_, io) => {
                tls_failure(io).unwrap_or_else(|| Failure::of(Status::Unavailable, error))
            }
            FrameHeaderParseError::ConnectionClosed(..) => Failure::of(Status::Unavailable, error),
            _ => Failure::of(Status::Protocol, error),
        }
    }
}

impl From<&ConnectionError> for Failure {
    fn from(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::IoError(io) => from_io(io),
            ConnectionError::BrokenConnection(broken) => broken.into(),
            ConnectionError::UseKeyspaceError(keyspace) => keyspace.into(),
            ConnectionError::ConnectionSetupRequestError(setup) => match &setup.error {
                SetupError::DbError(db, text) => from_server(db, text),
                SetupError::BrokenConnection(broken) => broken.into(),
                SetupError::MissingAuthentication => Failure::new(
                    Status::Unauthorized,
                    "the server requires a user and a password, and none is configured",
                ),
                SetupError::StartAuthSessionError(_)
                | SetupError::AuthChallengeEvaluationError(_)
                | SetupError::AuthFinishError(_) => Failure::of(Status::Unauthorized, setup),
                SetupError::UnableToAllocStreamId => Failure::of(Status::Unavailable, setup),
                _ => Failure::of(Status::Protocol, setup),
            },
            _ => Failure::of(Status::Unavailable, error),
        }
    }
}

impl From<&ConnectionPoolError> for Failure {
    fn from(error: &ConnectionPoolError) -> Self {
        match error {
            ConnectionPoolError::Broken {
                last_connection_error,
            } => last_connection_error.into(),
            _ => Failure::of(Status::Unavailable, error),
        }
    }
}

impl From<&RequestAttemptError> for Failure {
    fn from(error: &RequestAttemptError) -> Self {
        match error {
            RequestAttemptError::DbError(db, text) => from_server(db, text),
            // Whatever broke the connection is not the request's fault.
            RequestAttemptError::BrokenConnectionError(broken) => {
                Failure::of(Status::Unavailable, broken)
            }
            RequestAttemptError::UnableToAllocStreamId => Failure::of(Status::Overloaded, error),
            _ => Failure::of(Status::Protocol, error),
        }
    }
}

impl From<&UseKeyspaceError> for Failure {
    fn from(error: &UseKeyspaceError) -> Self {
        match error {
            UseKeyspaceError::RequestError(attempt) => attempt.into(),
            UseKeyspaceError::RequestTimeout(_) => Failure::of(Status::ClientTimeout, error),
            _ => Failure::of(Status::Invalid, error),
        }
    }
}

impl From<&PrepareError> for Failure {
    fn from(error: &PrepareError) -> Self {
        match error {
            PrepareError::ConnectionPoolError(pool) => pool.into(),
            PrepareError::AllAttemptsFailed { first_attempt } => first_attempt.into(),
            _ => Failure::of(Status::Protocol, error),
        }
    }
}

fn from_request(error: &RequestError) -> Failure {
    match error {
        RequestError::EmptyPlan => empty_plan(),
        RequestError::ConnectionPoolError(pool) => pool.into(),
        RequestError::LastAttemptError(attempt) => attempt.into(),
        RequestError::RequestTimeout(_) => Failure::of(Status::ClientTimeout, error),
        _ => Failure::of(Status::Protocol, error),
    }
}

fn empty_plan() -> Failure {
    Failure::new(
        Status::Unavailable,
        "no node of the preferred datacentre is known to be up",
    )
}

impl From<&MetadataError> for Failure {
    fn from(error: &MetadataError) -> Self {
        match error {
            MetadataError::ConnectionPoolError(pool) => pool.into(),
            MetadataError::FetchError(fetch) => match &fetch.error {
                MetadataFetchErrorKind::PrepareError(attempt) => attempt.into(),
                MetadataFetchErrorKind::NextRowError(NextRowError::NextPageError(
                    NextPageError::RequestFailure(request),
                )) => from_request(request),
                _ => Failure::of(Status::Protocol, error),
            },
            _ => Failure::of(Status::Protocol, error),
        }
    }
}

impl From<&ExecutionError> for Failure {
    fn from(error: &ExecutionError) -> Self {
        match error {
            ExecutionError::LastAttemptError(attempt) => attempt.into(),
            ExecutionError::ConnectionPoolError(pool) => pool.into(),
            ExecutionError::PrepareError(prepare) => prepare.into(),
            ExecutionError::MetadataError(metadata) => metadata.into(),
            ExecutionError::UseKeyspaceError(keyspace) => keyspace.into(),
            ExecutionError::EmptyPlan => empty_plan(),
            ExecutionError::RequestTimeout(_) => Failure::of(Status::ClientTimeout, error),
            ExecutionError::SchemaAgreementError(_) => Failure::of(Status::Unavailable, error),
            _ => Failure::of(Status::Protocol, error),
        }
    }
}

impl From<&NewSessionError> for Failure {
    fn from(error: &NewSessionError) -> Self {
        match error {
            NewSessionError::MetadataError(metadata) => metadata.into(),
            NewSessionError::UseKeyspaceError(keyspace) => keyspace.into(),
            NewSessionError::FailedToResolveAnyHostname(_) => Failure::new(
                Status::Unavailable,
                "the name of no contact point could be resolved",
            ),
            NewSessionError::EmptyKnownNodesList => {
                Failure::new(Status::Config, "no contact point is configured")
            }
            _ => Failure::of(Status::Config, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scylla::errors::{OperationType, WriteType};
    use scylla::statement::Consistency;
    use std::sync::Arc;

    fn server(error: DbError) -> Failure {
        Failure::from(&ExecutionError::LastAttemptError(
            RequestAttemptError::DbError(error, "the server's text".into()),
        ))
    }

    #[test]
    fn every_error_of_the_server_has_its_class_code_and_message() {
        let one = Consistency::One;
        let write_timeout = DbError::WriteTimeout {
            consistency: one,
            received: 0,
            required: 1,
            write_type: WriteType::Simple,
        };
        let read_timeout = DbError::ReadTimeout {
            consistency: one,
            received: 0,
            required: 1,
            data_present: false,
        };
        let unavailable = DbError::Unavailable {
            consistency: one,
            required: 1,
            alive: 0,
        };
        let limited = DbError::RateLimitReached {
            op_type: OperationType::Write,
            rejected_by_coordinator: true,
        };
        let unprepared = DbError::Unprepared {
            statement_id: bytes::Bytes::new(),
        };
        for (error, status, code, retryable) in [
            (write_timeout, Status::ServerTimeout, 0x1100, true),
            (read_timeout, Status::ServerTimeout, 0x1200, true),
            (unavailable, Status::Unavailable, 0x1000, true),
            (DbError::Overloaded, Status::Overloaded, 0x1001, true),
            (limited, Status::Overloaded, NO_CODE, true),
            (DbError::IsBootstrapping, Status::Unavailable, 0x1002, true),
            (DbError::ServerError, Status::Unavailable, 0, true),
            (DbError::Unauthorized, Status::Unauthorized, 0x2100, false),
            (
                DbError::AuthenticationError,
                Status::Unauthorized,
                0x0100,
                false,
            ),
            (DbError::SyntaxError, Status::Invalid, 0x2000, false),
            (DbError::Invalid, Status::Invalid, 0x2200, false),
            (DbError::ConfigError, Status::Invalid, 0x2300, false),
            (DbError::ProtocolError, Status::Protocol, 0x000A, false),
            (unprepared, Status::Protocol, 0x2500, false),
            (DbError::Other(0x4242), Status::Protocol, 0x4242, false),
        ] {
            let failure = server(error.clone());
            assert_eq!(
                (failure.status, failure.code, failure.retryable),
                (status, code, retryable),
                "{error:?}"
            );
            assert!(failure.message.contains("the server's text"), "{error:?}");
        }
    }

    #[test]
    fn a_refused_connection_is_unavailable_and_a_failed_handshake_is_tls() {
        let refused =
            ConnectionError::IoError(Arc::new(io::Error::from(io::ErrorKind::ConnectionRefused)));
        assert_eq!(Failure::from(&refused).status, Status::Unavailable);

        let stack = openssl::x509::X509::from_pem(b"not a certificate").unwrap_err();
        let handshake = ConnectionError::IoError(Arc::new(io::Error::other(stack)));
        let nested =
            NewSessionError::MetadataError(MetadataError::from(ConnectionPoolError::Broken {
                last_connection_error: handshake,
            }));
        assert_eq!(Failure::from(&nested).status, Status::Tls);
    }

    #[test]
    fn a_wrong_preferred_datacentre_is_named() {
        let failure = Failure::from(&ExecutionError::EmptyPlan);
        assert_eq!(failure.status, Status::Unavailable);
        assert!(failure.message.contains("datacentre"));
    }
}
