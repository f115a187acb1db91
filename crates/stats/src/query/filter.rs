//! Which requests somebody wants to see, in the database and among those that just end.

use chrono::{DateTime, Utc};
use entities::request_log::Column;
use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr};
use sea_orm::{ColumnTrait, Condition};

use crate::row::Row;

/// Which requests. What is none does not matter.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// As the client asked for it.
    pub model: Option<String>,
    /// The provider that answered, else the last tried.
    pub provider_id: Option<i64>,
    /// What the client got.
    pub status_code: Option<u16>,
    /// The client key's name.
    pub key: Option<String>,
    /// Whether it was a stream.
    pub stream: Option<bool>,
    /// The one request.
    pub request_id: Option<String>,
    /// A text that it names somewhere.
    pub text: Option<Text>,
    /// Arrived at this instant or later.
    pub from: Option<DateTime<Utc>>,
    /// Arrived before this instant.
    pub to: Option<DateTime<Utc>>,
}

/// A text to be found in a request's model, provider, error, key or id, whatever its case.
#[derive(Debug, Clone)]
pub struct Text {
    wanted: String,
    providers: Vec<i64>,
}

impl Text {
    /// Finds `wanted`; `providers` are those whose names have it in them.
    pub fn new(wanted: &str, providers: Vec<i64>) -> Self {
        Self {
            wanted: wanted.to_lowercase(),
            providers,
        }
    }

    fn is_in(&self, row: &Row) -> bool {
        let texts = [
            Some(row.model.as_str()),
            row.provider_model.as_deref(),
            row.error_class.as_deref(),
            row.error_message.as_deref(),
            Some(&*row.user_id),
            Some(&*row.request_id),
        ];
        let mut texts = texts.into_iter().flatten();
        texts.any(|text| text.to_lowercase().contains(&self.wanted))
            || row
                .provider_id
                .is_some_and(|id| self.providers.contains(&id))
    }
}

impl From<&Text> for Condition {
    fn from(text: &Text) -> Self {
        const ESCAPE: char = '!';
        let mut pattern = String::from("%");
        for character in text.wanted.chars() {
            if matches!(character, '%' | '_' | ESCAPE) {
                pattern.push(ESCAPE);
            }
            pattern.push(character);
        }
        pattern.push('%');
        let columns = [
            Column::Model,
            Column::ProviderModel,
            Column::ErrorClass,
            Column::ErrorMessage,
            Column::UserId,
            Column::RequestId,
        ];
        let named = columns.into_iter().fold(Self::any(), |any, column| {
            let like = LikeExpr::new(pattern.as_str()).escape(ESCAPE);
            any.add(Expr::expr(Func::lower(Expr::col(column))).like(like))
        });
        let providers = &text.providers;
        named.add_option(
            (!providers.is_empty()).then(|| Column::ProviderId.is_in(providers.clone())),
        )
    }
}

impl LogFilter {
    pub(crate) fn admits(&self, row: &Row) -> bool {
        fn is<T: PartialEq + ?Sized>(wanted: Option<&T>, given: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == given)
        }
        is(self.model.as_deref(), &row.model)
            && is(self.key.as_deref(), &row.user_id)
            && is(self.request_id.as_deref(), &row.request_id)
            && is(self.stream.as_ref(), &row.stream)
            && is(self.status_code.map(i32::from).as_ref(), &row.status_code)
            && self
                .provider_id
                .is_none_or(|id| row.provider_id == Some(id))
            && self.from.is_none_or(|from| row.created_at >= from)
            && self.to.is_none_or(|to| row.created_at < to)
            && self.text.as_ref().is_none_or(|text| text.is_in(row))
    }
}

/// What an index has that knows only failures. It is told in its own words, without which no engine takes it for a status that is
/// bound.
fn failed() -> Expr {
    Expr::cust("status_code >= 400")
}

impl From<&LogFilter> for Condition {
    fn from(filter: &LogFilter) -> Self {
        let status = filter.status_code.map(i32::from);
        Self::all()
            .add_option(filter.model.as_deref().map(|model| Column::Model.eq(model)))
            .add_option(filter.provider_id.map(|id| Column::ProviderId.eq(id)))
            .add_option(status.map(|status| Column::StatusCode.eq(status)))
            .add_option(status.filter(|it| *it >= 400).map(|_| failed()))
            .add_option(filter.key.as_deref().map(|key| Column::UserId.eq(key)))
            .add_option(filter.stream.map(|stream| Column::Stream.eq(stream)))
            .add_option(
                filter
                    .request_id
                    .as_deref()
                    .map(|id| Column::RequestId.eq(id)),
            )
            .add_option(filter.text.as_ref().map(Self::from))
            .add_option(filter.from.map(|from| Column::CreatedAt.gte(from)))
            .add_option(filter.to.map(|to| Column::CreatedAt.lt(to)))
    }
}
