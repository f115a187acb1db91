//! The soak: minutes of mixed traffic with failing providers, a database that goes away, and a configuration that
//! changes; at the end, whether anything was lost, doubled, leaked or broken.

mod ask;
mod books;
mod changes;
mod descriptors;
mod providers;
mod report;
mod store;
mod traffic;
mod watch;

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, LocalSet};

use crate::admin::{ADMIN_KEY, Admin};
use crate::run::CLIENT_KEY;
use crate::run::process::Spawned;
use changes::Changes;
use providers::Providers;
use report::{Check, Report};
use store::{Engine, Store};
use traffic::{Tally, Target};
use watch::{Sample, metric};

/// What to soak, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Settings {
    /// The gateway binary.
    #[arg(long)]
    gateway: PathBuf,
    /// The migrator binary; by default the one beside the gateway.
    #[arg(long)]
    migrator: Option<PathBuf>,
    /// Minutes of traffic.
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Requests per second between bursts.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Share of the providers' answers that fail.
    #[arg(long, default_value_t = 0.2)]
    faults: f64,
    /// Seconds from one outage of the database to the next.
    #[arg(long, default_value_t = 25.0)]
    outage_every: f64,
    /// The database under the gateway.
    #[arg(long, value_enum, default_value_t = Engine::Postgres)]
    database: Engine,
    /// Seed of the traffic.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// File for all figures as JSON.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Traffic before anything is measured: pools fill, threads start.
const WARM_UP: Duration = Duration::from_secs(8);
/// How long rows may take to arrive once the database is back.
const ARRIVAL: Duration = Duration::from_secs(90);
/// Descriptors of connections that are just being made or closed.
const FILES_SLACK: u64 = 4;
/// Tasks of connections that are just being made or closed.
const TASKS_SLACK: u64 = 8;

/// Growth of the memory that is no leak, beside a twentieth of it.
const RESIDENT_SLACK_KB: f64 = 8.0 * 1024.0;

/// Runs it; an error when an invariant does not hold.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    // Everything shares one thread, but for the commands that take the database away.
    LocalSet::new().run_until(soak(settings)).await
}

struct Soak {
    settings: Settings,
    store: Arc<Store>,
    providers: Providers,
    admin: Admin,
    target: Target,
    tally: Rc<RefCell<Tally>>,
    samples: Rc<RefCell<Vec<Sample>>>,
    outages: Rc<Cell<u64>>,
    start: Instant,
}

async fn soak(settings: Settings) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    let store = Arc::new(Store::start(settings.database, folder.path())?);
    let beside = || settings.gateway.with_file_name("migrator");
    let migrator = settings.migrator.clone().unwrap_or_else(beside);
    store::migrate(&migrator, &store)?;
    let log = folder.path().join("gateway.log");
    let (process, admin) = start(&settings.gateway, folder.path(), &store, &log)?;
    admin.wait_until_ready().await?;
    let soak = Soak {
        store,
        providers: Providers::start(settings.faults).await?,
        admin,
        target: Target {
            address: admin.address,
            models: Rc::default(),
            keys: Rc::new(RefCell::new(vec![CLIENT_KEY.to_owned()])),
        },
        tally: Rc::default(),
        samples: Rc::default(),
        outages: Rc::default(),
        start: Instant::now(),
        settings,
    };
    let report = soak.through(Rc::new(process), &log).await?;
    if let (false, Some(out)) = (report.holds(), &soak.settings.out) {
        std::fs::copy(&log, out.with_extension("log")).context("cannot keep the log")?;
    }
    report.print(soak.settings.out.as_deref())
}

/// Starts the gateway, whose log goes into a file.
fn start(
    binary: &Path,
    folder: &Path,
    store: &Store,
    log: &Path,
) -> anyhow::Result<(Spawned, Admin)> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let log = File::create(log)?;
    let mut command = Command::new(std::path::absolute(binary)?);
    command
        .current_dir(folder)
        .env("DATABASE_URL", store.url())
        .env("GATEWAY_LISTEN", address.to_string())
        .env("GATEWAY_ADMIN_KEY", ADMIN_KEY)
        .env("GATEWAY_API_KEYS", CLIENT_KEY)
        .env("GATEWAY_SECRET_KEY", "a secret for one soak")
        .env("GATEWAY_SPOOL_DIR", folder.join("spool"))
        .env("HEALTH_CHECK_INTERVAL", "20")
        // Providers that failed come back within seconds, so that there is always somebody to fail again.
        .env("HEALTH_CHECK_RETRY_HOURS", "0.002")
        // Who is refused for a busy processor has no row, and no soak has the processor to itself.
        .env("GATEWAY_MAX_DELAY", "0")
        .env("LOG_LEVEL", "warn")
        .stdout(log.try_clone()?)
        .stderr(log);
    Ok((Spawned::start(command)?, Admin { address }))
}

impl Soak {
    async fn through(&self, process: Rc<Spawned>, log: &Path) -> anyhow::Result<Report> {
        let changes = Changes::configure(self.admin, self.target.clone(), &self.providers)
            .await
            .context("cannot configure the gateway")?;
        self.send(WARM_UP).await?;
        let idle = self.rest(&process, |_| false).await?;
        self.providers.open().await?;

        let start = Instant::now();
        let over = Rc::new(Notify::new());
        let outages = self.take_database_away(Rc::clone(&over));
        let background = [
            tokio::task::spawn_local(changes.clone().run()),
            tokio::task::spawn_local(self.providers.clone().flap()),
            self.watch(Rc::clone(&process)),
        ];
        self.send(Duration::from_secs_f64(self.settings.minutes * 60.0))
            .await?;
        let seconds = start.elapsed().as_secs_f64();
        for task in background {
            stopped(task).await?;
        }
        over.notify_one();
        outages.await.context("the outages panicked")??;

        self.wait_for_rows().await?;
        let is_idle = |sample: &Sample| {
            sample.files <= idle.files + FILES_SLACK && sample.tasks <= idle.tasks + TASKS_SLACK
        };
        let rest = self.rest(&process, is_idle).await?;
        let metrics = self.admin.text("/metrics").await?;
        let process = Rc::into_inner(process).context("somebody still watches the gateway")?;
        let ended = tokio::task::spawn_blocking(|| process.terminate()).await?;
        let mut checks = self.checks(&metrics, log)?;
        checks.extend(self.flat(&idle, &rest));
        checks.push(changes.check());
        let told = |error: anyhow::Error| format!("{error:#}");
        checks.push(Check::new(
            "an orderly stop",
            ended.is_ok(),
            ended.err().map_or_else(|| "by SIGTERM".to_owned(), told),
        ));
        let tally = self.tally.take();
        Ok(Report {
            seconds,
            checks,
            requests_by_end: tally.by_end,
            requests_by_kind: tally.by_kind,
            skipped: tally.skipped,
            outages: self.outages.get(),
            admin_calls: changes.calls.get(),
            violations: tally.violations,
            idle,
            rest,
            samples: self.samples.take(),
        })
    }

    async fn send(&self, length: Duration) -> anyhow::Result<()> {
        let tally = Rc::clone(&self.tally);
        let Settings { rate, seed, .. } = self.settings;
        traffic::run(self.target.clone(), rate, length, seed, tally).await
    }

    /// Closes every connection to providers and waits until the gateway holds little; what it holds then.
    async fn rest(
        &self,
        process: &Spawned,
        is_idle: impl Fn(&Sample) -> bool,
    ) -> anyhow::Result<Sample> {
        self.providers.close().await;
        let database = self.store.database();
        watch::settle(process, database, self.admin, self.start, is_idle).await
    }

    /// Takes the database away at intervals until told that it is over; it is there again then.
    fn take_database_away(&self, over: Rc<Notify>) -> JoinHandle<anyhow::Result<()>> {
        let (store, outages) = (Arc::clone(&self.store), Rc::clone(&self.outages));
        let pause = Duration::from_secs_f64(self.settings.outage_every);
        tokio::task::spawn_local(async move {
            loop {
                tokio::select! {
                    () = over.notified() => return Ok(()),
                    () = tokio::time::sleep(pause) => {}
                }
                let (store, hard) = (Arc::clone(&store), outages.get() % 2 == 1);
                tokio::task::spawn_blocking(move || store.outage(hard))
                    .await?
                    .context("the database did not come back")?;
                outages.set(outages.get() + 1);
            }
        })
    }

    /// Looks every second.
    fn watch(&self, process: Rc<Spawned>) -> JoinHandle<anyhow::Result<()>> {
        let (admin, start, samples) = (self.admin, self.start, Rc::clone(&self.samples));
        let store = Arc::clone(&self.store);
        tokio::task::spawn_local(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1));
            loop {
                ticks.tick().await;
                let sample = watch::look(&process, store.database(), admin, start).await?;
                samples.borrow_mut().push(sample);
            }
        })
    }

    /// Waits until no request runs and no row waits, within patience: what is missing then shows in the books.
    async fn wait_for_rows(&self) -> anyhow::Result<()> {
        let waiting = [
            "gateway_requests_in_flight",
            "gateway_records_queued",
            "gateway_records_spooled",
        ];
        let start = Instant::now();
        while start.elapsed() < ARRIVAL {
            let metrics = self.admin.text("/metrics").await?;
            if waiting.iter().all(|name| metric(&metrics, name) == Some(0)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Whether anything was lost, doubled or broken.
    fn checks(&self, metrics: &str, log: &Path) -> anyhow::Result<Vec<Check>> {
        let count = |name| metric(metrics, name).with_context(|| format!("no metric {name}"));
        let lost = count("gateway_records_lost_total")?;
        let tally = self.tally.borrow();
        let mut checks = books::check(&self.store, &tally, lost)?;
        checks.push(Check::new(
            "answers whole or ended in an error",
            tally.broken == 0,
            format!("{} broken", tally.broken),
        ));
        let aside = count("gateway_records_set_aside_total")?;
        checks.push(Check::new(
            "no row refused by the database",
            aside == 0,
            format!("{aside} set aside"),
        ));
        let told = std::fs::read(log).context("cannot read the gateway's log")?;
        let told = String::from_utf8_lossy(&told).matches("panicked").count();
        let panics = count("gateway_panics_total")?;
        checks.push(Check::new(
            "no panic",
            told == 0 && panics == 0,
            format!("{told} in the log, {panics} counted"),
        ));
        Ok(checks)
    }

    /// Whether it holds at the end what it held at rest, and its memory did not grow all the while.
    fn flat(&self, idle: &Sample, rest: &Sample) -> [Check; 4] {
        let series: Vec<(f64, f64)> = self
            .samples
            .borrow()
            .iter()
            .map(|sample| (sample.seconds, sample.resident_kb as f64))
            .collect();
        let growth = watch::growth(&series);
        let last = series.last().map_or(0.0, |last| last.1);
        let allowed = RESIDENT_SLACK_KB + last / 20.0;
        let peak = |of: fn(&Sample) -> u64| {
            let samples = self.samples.borrow();
            samples.iter().map(of).max().unwrap_or_default()
        };
        let back = |name, idle: u64, rest: u64, slack: u64, peak: u64| {
            let detail = format!("{idle} at rest before, up to {peak}, {rest} at rest after");
            Check::new(name, rest <= idle + slack, detail)
        };
        let (files, tasks) = (peak(|sample| sample.files), peak(|sample| sample.tasks));
        let (pool, most) = (
            peak(|sample| sample.database_files).max(rest.database_files),
            self.store.database().most(),
        );
        [
            Check::new(
                "memory flat",
                growth <= allowed && !series.is_empty(),
                format!(
                    "{:.1} MB, grew by {:.1} MB in the second half of {} looks ({:.1} MB allowed)",
                    last / 1024.0,
                    growth / 1024.0,
                    series.len(),
                    allowed / 1024.0
                ),
            ),
            back(
                "descriptors back",
                idle.files,
                rest.files,
                FILES_SLACK,
                files,
            ),
            Check::new(
                "database connections within their pools",
                pool <= most,
                format!("up to {pool} descriptors of at most {most}"),
            ),
            back("tasks back", idle.tasks, rest.tasks, TASKS_SLACK, tasks),
        ]
    }
}

/// Ends a task that goes on without end; an error if it has ended by itself.
async fn stopped(task: JoinHandle<anyhow::Result<()>>) -> anyhow::Result<()> {
    task.abort();
    match task.await {
        Ok(ended) => ended,
        Err(error) if error.is_cancelled() => Ok(()),
        Err(error) => Err(error.into()),
    }
}
