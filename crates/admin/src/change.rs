//! Changes of the configuration: one transaction each, live when the call returns.

use catalog::version;
use chrono::{DateTime, SubsecRound, Utc};
use sea_orm::{DatabaseTransaction, TransactionTrait};

use crate::{AdminState, error::Error};

/// A change under way. Dropped, it is as though it had never begun.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    state: &'a AdminState,
    transaction: DatabaseTransaction,
}

impl AdminState {
    /// Begins a change. The version is raised first: its row is locked until the end, so changes of all replicas go one
    /// after the other, and what one of them has looked up stays true until it has written.
    pub(crate) async fn change(&self) -> Result<Change<'_>, Error> {
        let transaction = self.database.begin().await?;
        version::bump(&transaction).await?;
        Ok(Change {
            state: self,
            transaction,
        })
    }
}

impl Change<'_> {
    /// What the change is made on.
    pub(crate) fn on(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// Keeps the change and makes it live in this process; other replicas notice it within a second or two.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        self.transaction.commit().await?;
        self.state.catalog.reload().await.map_err(Error::NotLive)
    }
}

/// The time, as exact as every database keeps it, so that an answer tells what will be read later.
pub(crate) fn now() -> DateTime<Utc> {
    const DIGITS: u16 = 6;
    Utc::now().trunc_subsecs(DIGITS)
}
