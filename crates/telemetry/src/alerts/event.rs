//! What receivers are told.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// News, with what is to be known about them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Told {
    /// A provider gets no requests any more.
    ProviderUnhealthy {
        /// Its name.
        provider: String,
        /// Why.
        reason: Option<&'static str>,
        /// What its last failure was.
        error: Option<String>,
        /// That failure's HTTP status.
        status: Option<u16>,
    },
    /// It gets requests again.
    ProviderRecovered {
        /// Its name.
        provider: String,
    },
    /// So much of a key's budget is spent that it is worth a warning.
    BudgetWarning {
        /// The key's name.
        key: String,
        /// `day`, `month` or `total`.
        period: &'static str,
        /// USD, as a decimal.
        spent: String,
        /// USD, as a decimal.
        cap: String,
    },
    /// Rows wait on disk, since the database does not take them.
    SpoolInUse {
        /// How many.
        rows: u64,
    },
    /// None waits any more.
    SpoolEmpty,
    /// Rows were lost for want of room.
    RecordsLost {
        /// How many since that was last told.
        rows: u64,
    },
}

impl Told {
    fn name(&self) -> &'static str {
        match self {
            Self::ProviderUnhealthy { .. } => "provider_unhealthy",
            Self::ProviderRecovered { .. } => "provider_recovered",
            Self::BudgetWarning { .. } => "budget_warning",
            Self::SpoolInUse { .. } => "spool_in_use",
            Self::SpoolEmpty => "spool_empty",
            Self::RecordsLost { .. } => "records_lost",
        }
    }

    /// In a sentence, for people.
    fn text(&self) -> String {
        match self {
            Self::ProviderUnhealthy {
                provider,
                reason,
                error,
                ..
            } => {
                let why = error.as_deref().or(*reason);
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                format!("Provider {provider} is unhealthy and gets no requests{why}")
            }
            Self::ProviderRecovered { provider } => {
                format!("Provider {provider} has recovered and gets requests again")
            }
            Self::BudgetWarning {
                key,
                period,
                spent,
                cap,
            } => format!("Key {key} has spent {spent} of {cap} USD of its budget ({period})"),
            Self::SpoolInUse { rows } => {
                format!("The database does not take request rows: {rows} wait in the spool")
            }
            Self::SpoolEmpty => {
                "The spool is empty again: the database has all request rows".into()
            }
            Self::RecordsLost { rows } => {
                format!("{rows} request rows were lost, since neither memory nor spool had room")
            }
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::ProviderUnhealthy {
                provider,
                reason,
                error,
                status,
            } => json!({
                "provider": provider,
                "reason": reason,
                "last_error": error,
                "last_status_code": status,
            }),
            Self::ProviderRecovered { provider } => json!({ "provider": provider }),
            Self::BudgetWarning {
                key,
                period,
                spent,
                cap,
            } => json!({ "key": key, "period": period, "spent": spent, "cap": cap }),
            Self::SpoolInUse { rows } | Self::RecordsLost { rows } => json!({ "rows": rows }),
            Self::SpoolEmpty => Value::Object(Map::new()),
        }
    }
}

/// News that are on their way.
#[derive(Debug)]
pub(super) struct Event {
    id: Uuid,
    at: DateTime<Utc>,
    told: Told,
    gateway: String,
}

impl Event {
    pub(super) fn new(told: Told, gateway: &str) -> Self {
        Self {
            id: Uuid::now_v7(),
            at: Utc::now(),
            told,
            gateway: gateway.to_owned(),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.told.name()
    }

    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    /// As it is sent: `text` is what chat services show.
    pub(super) fn body(&self) -> String {
        json!({
            "id": self.id.to_string(),
            "event": self.told.name(),
            "at": self.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            "gateway": self.gateway,
            "text": format!("{} ({})", self.told.text(), self.gateway),
            "details": self.told.details(),
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_to_people_and_to_programs() {
        let told = Told::ProviderUnhealthy {
            provider: "alpha".to_owned(),
            reason: Some("consecutive_failures"),
            error: Some("no answer in time".to_owned()),
            status: None,
        };
        let event = Event::new(told, "machine 0.0.0.0:8000");
        let body: Value = serde_json::from_str(&event.body()).unwrap();
        assert_eq!(body["event"], "provider_unhealthy");
        assert_eq!(body["id"], event.id().to_string());
        assert_eq!(
            body["text"],
            "Provider alpha is unhealthy and gets no requests: no answer in time (machine 0.0.0.0:8000)"
        );
        assert_eq!(body["details"]["reason"], "consecutive_failures");
        assert_eq!(body["details"]["last_status_code"], Value::Null);
        assert!(body["at"].as_str().unwrap().ends_with('Z'));
    }
}
