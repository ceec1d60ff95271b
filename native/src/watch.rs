//! Replaces the driver's session when it can no longer read the cluster's metadata.
//!
//! The driver keeps its own prepared statements for the life of its session, and refuses a server that gives such a
//! statement another id. After an upgrade of all nodes it would connect and fail for ever: the topology would freeze.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout_at, Instant};

use crate::connect::Connected;
use crate::control::{Control, LOOK};
use crate::failure::{within, Failure};

/// Between two checks while the topology stays the same.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// From a change of the topology to a check: a node that came back may be of another version.
const CHECK_AFTER_CHANGE: Duration = Duration::from_secs(2);
/// Limit of one check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two checks while they fail.
const CHECK_AGAIN: Duration = Duration::from_millis(500);
/// How long checks must fail before a replacement. Doubles with each replacement that does not help.
const FAILING_MIN: Duration = Duration::from_secs(3);
const FAILING_MAX: Duration = Duration::from_secs(60);

/// Whether the driver can read the cluster's metadata now.
pub async fn check(connected: &Connected) -> Result<(), Failure> {
    let refreshed = async {
        let refreshed = connected.session.refresh_metadata().await;
        refreshed.map_err(|error| Failure::from(&error))
    };
    within(CHECK_TIMEOUT, refreshed).await
}

/// Returns when a check is due.
async fn until_due(control: &Control) {
    let seen = control.shared.version();
    let changed = async {
        while control.shared.version() == seen {
            sleep(LOOK).await;
        }
        sleep(CHECK_AFTER_CHANGE).await;
    };
    // A check is due either way.
    let _ = timeout_at(Instant::now() + CHECK_INTERVAL, changed).await;
}

/// Returns true when all checks of that time fail, false with the first one that succeeds.
async fn fails_for(control: &Control, time: Duration) -> bool {
    let end = Instant::now() + time;
    while check(&control.connected()).await.is_err() {
        if Instant::now() >= end {
            return true;
        }
        sleep(CHECK_AGAIN).await;
    }
    false
}

/// Runs until it is dropped.
pub async fn watch(control: Arc<Control>) {
    loop {
        until_due(&control).await;
        let mut failing = FAILING_MIN;
        while fails_for(&control, failing).await {
            // A session that cannot be replaced stays: the cluster may be down, and the driver finds it again.
            let _ = control.replace().await;
            failing = FAILING_MAX.min(failing * 2);
        }
    }
}
