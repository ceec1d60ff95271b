//! The statements that an I/O thread knows: they are prepared, and again when the schema or their ids change.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use scylla::statement::Statement;

use super::Io;
use crate::budget;
use crate::channel::Request;
use crate::failure::{Failure, Status};
use crate::known::Known;
use crate::remote::Prepared;
use crate::statement::Description;

/// How often the schema's version is looked at.
const SCHEMA_CHECK: Duration = Duration::from_secs(5);

impl Io {
    pub(super) fn statement(&self, id: u32) -> Result<Rc<Known>, Failure> {
        let known = self.statements.borrow().get(id as usize).cloned().flatten();
        let known = known
            .ok_or_else(|| Failure::new(Status::Protocol, format!("unknown statement {id}")))?;
        match &known.outdated {
            None => Ok(known),
            Some(why) => Err(Failure::new(
                Status::SchemaChanged,
                format!("the schema changed since the statement was prepared: {why}"),
            )),
        }
    }

    /// Prepares those of the request's statements again that the server knows by another id now.
    pub(super) async fn renew(&self, request: &Request) {
        // SAFETY: as in `attempt`.
        let batch = unsafe { &*request.batch };
        let ids: Vec<u32> = match batch {
            [] => vec![request.statement],
            parts => parts.iter().map(|part| part.statement).collect(),
        };
        // One after the other: those that come later find it done.
        let _alone = self.renewing.lock().await;
        for id in ids {
            if self.statement(id).is_ok_and(|known| known.renamed.get()) {
                self.prepare_statement_again(id).await;
            }
        }
    }

    async fn prepared(&self, from: Statement, own_columns: bool) -> Result<Known, Failure> {
        let mut prepared = self
            .session
            .prepare(from.clone())
            .await
            .map_err(|error| Failure::from(&error))?;
        // Safe because the statements name their columns (libs/cql refuses SELECT *) and `watch_schema` looks after
        // their types.
        prepared.set_use_cached_result_metadata(!own_columns);
        Ok(Known {
            description: Description::of(&prepared),
            prepared,
            from,
            own_columns,
            outdated: None,
            renamed: Cell::new(false),
        })
    }

    pub(super) async fn prepare(&self, id: u32, from: Statement, own_columns: bool) -> Prepared {
        let known = self.prepared(from, own_columns).await?;
        let description = known.description.clone();
        let mut statements = self.statements.borrow_mut();
        let needed = statements.len().max(id as usize + 1);
        statements.resize(needed, None);
        statements[id as usize] = Some(Rc::new(known));
        drop(statements);
        self.publish_routes();
        Ok(description)
    }

    /// After the schema changed: from now on a statement either reads what it was made for, or says why it cannot.
    async fn prepare_again(&self) {
        let count = self.statements.borrow().len();
        for id in 0..count {
            self.prepare_statement_again(id as u32).await;
        }
    }

    /// A statement that cannot be prepared any more fails with the server's words when it is executed.
    async fn prepare_statement_again(&self, id: u32) {
        let known = self.statements.borrow()[id as usize].clone();
        let Some(known) = known else { return };
        let Ok(mut now) = self.prepared(known.from.clone(), known.own_columns).await else {
            return;
        };
        now.outdated = known.description.outdated_by(&now.description).err();
        // What the cells were made for stays the measure.
        now.description = known.description.clone();
        if let Some(place @ Some(_)) = self.statements.borrow_mut().get_mut(id as usize) {
            *place = Some(Rc::new(now));
        }
        self.publish_routes();
    }

    fn publish_routes(&self) {
        let statements = self.statements.borrow();
        let known = statements.iter().enumerate();
        let known = known.filter_map(|(number, known)| Some((number, known.as_deref()?)));
        let cluster = self.session.get_cluster_state();
        if let Some(routes) = self.atlas.borrow_mut().update(cluster, known) {
            self.remote.publish(routes);
        }
    }
}

/// Looks for changes of the schema: the driver has no way to say that one happened.
pub(super) async fn watch_schema(io: Rc<Io>) {
    let mut known = None;
    loop {
        // What does not answer in time is looked at the next time.
        let check = tokio::time::timeout(SCHEMA_CHECK, io.session.check_schema_agreement());
        if let Ok(Ok(Some(version))) = check.await {
            if known.is_some_and(|before| before != version) {
                io.prepare_again().await;
            }
            known = Some(version);
        }
        let cluster = io.session.get_cluster_state();
        budget::count_members(&cluster);
        let nodes = cluster.get_nodes_info();
        let connected = nodes.iter().filter(|node| node.is_connected()).count();
        let counters = &io.remote.counters;
        counters.nodes.store(nodes.len() as u64, Ordering::Relaxed);
        counters
            .nodes_connected
            .store(connected as u64, Ordering::Relaxed);
        io.publish_routes();
        tokio::time::sleep(SCHEMA_CHECK).await;
    }
}
