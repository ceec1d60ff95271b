//! Statements that an I/O thread has prepared, and what their answers become.

use std::cell::Cell;
use std::sync::Arc;

use scylla::errors::{ExecutionError, RequestAttemptError};
use scylla::response::query_result::QueryResult;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::Statement;

use crate::channel::{Completion, Owner};
use crate::failure::{Failure, Status};
use crate::statement::{rows_area, Column, Columns, Description};

/// A prepared statement, and what to prepare it from again.
pub struct Known {
    pub prepared: PreparedStatement,
    pub from: Statement,
    pub description: Description,
    pub own_columns: bool,
    /// Why its cells no longer fit.
    pub outdated: Option<String>,
    /// The server was seen to give it another id than it had: another version of the server, say.
    pub renamed: Cell<bool>,
}

/// Whether the driver gave up because preparing again gave another id.
pub fn is_renaming(error: &ExecutionError) -> bool {
    matches!(
        error,
        ExecutionError::LastAttemptError(
            RequestAttemptError::RepreparedIdChanged { .. }
                | RequestAttemptError::RepreparedIdMissingInBatch
        )
    )
}

/// `own_columns`: the answer's columns go along with its rows.
pub fn completion_of(
    tag: u64,
    result: QueryResult,
    paging_state: Option<Arc<[u8]>>,
    own_columns: bool,
) -> Result<Completion, Failure> {
    let trace_id = result.tracing_id().map(|id| *id.as_bytes());
    let done = Completion::done(tag);
    if !result.is_rows() {
        let owner = trace_id.map(|_| {
            Box::new(Owner {
                trace_id,
                ..Owner::default()
            })
        });
        return Ok(Completion { owner, ..done });
    }
    let unreadable = |error: &dyn std::error::Error| {
        Failure::new(Status::Protocol, format!("unreadable rows: {error}"))
    };
    let rows = result
        .into_rows_result()
        .map_err(|error| unreadable(&error))?;
    let columns = own_columns.then(|| {
        let columns = rows.column_specs().iter().map(Column::describe);
        Box::new(Columns::new(columns.collect()))
    });
    Ok(Completion {
        row_count: u32::try_from(rows.rows_num()).unwrap_or(u32::MAX),
        owner: Some(Box::new(Owner {
            rows: rows_area(&rows).map_err(|error| unreadable(&error))?,
            paging_state,
            columns,
            trace_id,
            ..Owner::default()
        })),
        ..done
    })
}
