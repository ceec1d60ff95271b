//! The foreign code of a Millrace binary, in one archive: librdkafka, and the CQL control plane over the `scylla`
//! driver.
//!
//! include/millrace/native/bridge.h is the control plane's manual. From the top: `abi` (the C interface), `session`
//! (what callers hold), `control` (the thread that runs the driver) with `preparing` and `watch`, and below them `shared` (what
//! the two threads share), `topology`, `connect`, `config`, `address_map`, `tls`, `statement` and `failure`.

// The interface's contracts are in bridge.h, once.
#![allow(clippy::missing_safety_doc)]

// Pulls librdkafka's C symbols (the mock cluster included) into the archive.
#[cfg(feature = "librdkafka")]
extern crate rdkafka_sys as _;

// Clones of this repository share one folder of cargo's. Without this, cargo would take what another clone built for
// its own when its own sources are older than that: it compares times, not paths.
const _: Option<&str> = option_env!("MILLRACE_SOURCE_FOLDER");

pub mod abi;
mod address_map;
mod config;
mod connect;
mod control;
mod failure;
mod preparing;
mod session;
mod shared;
mod statement;
mod tls;
mod topology;
mod watch;
