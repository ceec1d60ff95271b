//! The foreign code of a Millrace binary, in one archive: librdkafka.

// Pulls librdkafka's C symbols (the mock cluster included) into the archive.
#[cfg(feature = "librdkafka")]
extern crate rdkafka_sys as _;
