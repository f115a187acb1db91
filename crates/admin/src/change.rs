//! Changes of the configuration: one transaction each, live when the call returns.

use catalog::version;
use chrono::{DateTime, SubsecRound, Utc};
use sea_orm::TransactionTrait;

use crate::{AdminState, audit::Entry, auth::Caller, error::Error, transaction::Transaction};

/// A change under way. Dropped, it is as though it had never begun.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    state: &'a AdminState,
    caller: &'a Caller,
    transaction: Transaction,
}

impl AdminState {
    /// Begins a change. The version is raised first: its row is locked until the end, so changes of all replicas go one
    /// after the other, and what one of them has looked up stays true until it has written.
    pub(crate) async fn change<'a>(&'a self, caller: &'a Caller) -> Result<Change<'a>, Error> {
        let transaction = Transaction::of(self.database.begin().await?);
        version::bump(&transaction).await?;
        Ok(Change {
            state: self,
            caller,
            transaction,
        })
    }
}

impl Change<'_> {
    /// What the change is made on.
    pub(crate) fn on(&self) -> &Transaction {
        &self.transaction
    }

    pub(crate) fn state(&self) -> &AdminState {
        self.state
    }

    pub(crate) fn caller(&self) -> &Caller {
        self.caller
    }

    /// Keeps the change, with what is to be known of it, and makes it live in this process; other replicas notice it
    /// within a second or two.
    pub(crate) async fn commit(self, entry: Entry) -> Result<(), Error> {
        self.commit_all(vec![entry]).await
    }

    /// The same of a change of more than one object.
    pub(crate) async fn commit_all(self, entries: Vec<Entry>) -> Result<(), Error> {
        for entry in entries {
            entry.write(self.caller, &self.transaction).await?;
        }
        self.transaction.commit().await?;
        self.state.catalog.reload().await.map_err(Error::NotLive)
    }
}

impl Change<'_> {
    /// Takes the change back. Other changes need not wait until the connection is used again, as when it is dropped.
    pub(crate) async fn take_back(self) -> Result<(), Error> {
        Ok(self.transaction.rollback().await?)
    }
}

/// The time, as exact as every database keeps it, so that an answer tells what will be read later.
pub(crate) fn now() -> DateTime<Utc> {
    const DIGITS: u16 = 6;
    Utc::now().trunc_subsecs(DIGITS)
}
