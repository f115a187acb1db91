//! One replica: budgets, and the books they are charged to.

use std::{sync::Arc, time::Duration};

use access::{
    ClientKey,
    budget::{Budget, BudgetFields},
    money,
};
use budgets::{Budgets, Charge, Refusal, Settings};
use chrono::Utc;
use sea_orm::DatabaseConnection;
use stats::{AttemptRecord, Counted, Recorder, RequestRecord};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::database::TestDatabase;

/// The database of a machine that is busy otherwise may take its time.
pub(crate) const PATIENT: Settings = Settings {
    lease: Duration::from_secs(300),
    patience: Duration::from_secs(20),
    on_credit: false,
};

pub(crate) struct Replica {
    pub(crate) budgets: Budgets,
    pub(crate) database: DatabaseConnection,
    key: Arc<ClientKey>,
    recorder: Recorder,
    writer: JoinHandle<()>,
    worker: JoinHandle<()>,
    stop_writer: CancellationToken,
    stop: CancellationToken,
}

/// A budget of so many nano-USD for a day and in all; 0 is none.
pub(crate) fn budget(day: i64, total: i64) -> Budget {
    let amount = |nano: i64| (nano > 0).then(|| money::usd(nano));
    let fields = BudgetFields {
        day: amount(day),
        total: amount(total),
        ..BudgetFields::default()
    };
    Budget::of(&fields).unwrap().unwrap()
}

impl Replica {
    pub(crate) async fn start(on: &TestDatabase, budget: Budget, settings: Settings) -> Self {
        let database = on.connect().await;
        let (budgets, worker) = budgets::start(settings, database.clone());
        let books = stats::Settings {
            bookings: Some(Arc::new(budgets.clone())),
            ..stats::Settings::new(on.folder().join(Uuid::now_v7().to_string()))
        };
        let (recorder, writer) = stats::start(books, database.clone(), database.clone())
            .await
            .unwrap();
        let mut key = ClientKey::named("k");
        (key.id, key.budget) = (Some(1), Some(budget));
        let (stop_writer, stop) = (CancellationToken::new(), CancellationToken::new());
        let replica = Self {
            budgets,
            database,
            key: Arc::new(key),
            recorder,
            writer: tokio::spawn(writer.run(stop_writer.clone())),
            worker: tokio::spawn(worker.run(stop.clone())),
            stop_writer,
            stop,
        };
        replica.budgets.configure([&replica.key]);
        replica
    }

    pub(crate) async fn reserve(&self, cost: i64) -> Result<Charge, Refusal> {
        let charge = self.budgets.reserve(&self.key, Some(cost)).await?;
        Ok(charge.expect("the key has a budget"))
    }

    /// Ends a request that cost so much, and records it.
    pub(crate) fn end(&self, charge: Charge, cost: i64) {
        let attempt = AttemptRecord {
            provider_id: 1,
            provider_model: "m".into(),
            status: Some(200),
            error_class: None,
            counted: Counted::Success,
            elapsed: Duration::ZERO,
            usage: None,
            cost: Some(cost),
        };
        self.recorder.record(RequestRecord {
            request_id: Uuid::now_v7(),
            arrived_at: Utc::now(),
            endpoint: "/v1/chat/completions",
            method: "POST",
            model: "m".to_owned(),
            stream: false,
            key_name: self.key.name.clone(),
            ip: None,
            status_code: 200,
            error_class: None,
            error_message: None,
            latency: Duration::ZERO,
            ttft: None,
            attempts: vec![attempt],
            answered_by: Some(0),
            charged_to: Some(charge.settle(cost)),
            trace: None,
        });
    }

    /// One request after the other until one is refused; how many were served, and why no more.
    pub(crate) async fn use_up(&self, estimate: i64, cost: i64) -> (i64, Refusal) {
        let mut served = 0;
        loop {
            match self.reserve(estimate).await {
                Ok(charge) => self.end(charge, cost),
                Err(refusal) => return (served, refusal),
            }
            served += 1;
        }
    }

    /// Waits until it has leased something, or cannot.
    pub(crate) async fn begun(&self) {
        while self.budgets.metrics().turns() + self.budgets.metrics().failures() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// As at SIGTERM.
    pub(crate) async fn stop(self) {
        self.stop_writer.cancel();
        self.writer.await.unwrap();
        self.stop.cancel();
        self.worker.await.unwrap();
        self.database.close().await.unwrap();
    }

    /// As at SIGKILL, but for the rows, which are written.
    pub(crate) async fn kill(self) {
        self.worker.abort();
        self.stop_writer.cancel();
        self.writer.await.unwrap();
        self.database.close().await.unwrap();
    }
}
