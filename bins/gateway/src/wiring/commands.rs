//! What commands work on: the same parts, without requests.

use admin::{AdminState, Gate};
use anyhow::{Context, bail};
use proxy::Prober;
use sockets::Round;
use stats::Tail;
use tokio_util::sync::CancellationToken;

use super::{
    admin_state_of,
    configured::{Configured, from_database, named, ready},
};
use crate::{database, settings::Settings};

/// What the admin API works on, for changes by a command instead of a caller.
pub(crate) async fn admin_state(settings: &Settings) -> anyhow::Result<AdminState> {
    ready(settings).await?;
    let Configured {
        database,
        health,
        catalog,
        ..
    } = from_database(settings, &Prober::default(), &Round::default()).await?;
    let gate = Gate::new(None, database.clone());
    // No request ends in a command.
    let (tail, ending) = (Tail::default(), CancellationToken::new());
    Ok(admin_state_of(
        settings, database, catalog, health, gate, tail, ending,
    ))
}

/// Seals all secrets of providers under the secret key in force, and says of how many providers.
pub(crate) async fn reseal(settings: &Settings) -> anyhow::Result<usize> {
    let secrets = settings.secrets()?;
    if !secrets.seals() {
        bail!("GATEWAY_SECRET_KEY: must be set");
    }
    ready(settings).await?;
    let database = database::open(&settings.database_url, settings.database_pool)
        .await
        .context("DATABASE_URL")?;
    catalog::reseal(&database, &secrets).await.map_err(named)
}
