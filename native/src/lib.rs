//! The foreign code of a Millrace binary, in one archive: librdkafka, and the CQL bridge over the `scylla` driver.
//!
//! include/millrace/native/bridge.h is the bridge's manual. From the top: `abi` (the C interface), `session`
//! (threads), `io_thread` (runs the driver) and `remote` (how others reach it), `channel` (what a worker and an I/O
//! thread share), and below them
//! `config`, `budget` (which node gets how much), `routes` (what another data plane needs to know), `known`,
//! `statement`, `failure`, `ring` and `wheel`.

// The interface's contracts are in bridge.h, once.
#![allow(clippy::missing_safety_doc)]

// Pulls librdkafka's C symbols (the mock cluster included) into the archive.
#[cfg(feature = "librdkafka")]
extern crate rdkafka_sys as _;

// Clones of this repository share one folder of cargo's. Without this, cargo would take what another clone built for
// its own when its own sources are older than that: it compares times, not paths.
const _: Option<&str> = option_env!("MILLRACE_SOURCE_FOLDER");

pub mod abi;
mod budget;
mod channel;
mod config;
mod failure;
mod io_thread;
mod known;
mod local;
mod remote;
mod ring;
mod routes;
mod session;
mod statement;
mod tsan;
mod wheel;
