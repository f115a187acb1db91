//! The load generator: closed loop (each connection sends again once it is answered) or open loop (a fixed rate,
//! whatever the answers do).
//!
//! The open loop measures from the moment a request was due, not from when a connection became free for it: a system
//! that stalls is charged for everyone who had to wait (no coordinated omission).

pub(crate) mod connection;
pub(crate) mod prompt;
pub(crate) mod verify;

use std::cell::RefCell;
use std::io::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinSet, LocalSet};

use connection::Connection;
use verify::Verifier;

/// What to send, where, and how often.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Settings {
    /// The system under load, as address and port.
    #[arg(long)]
    pub(crate) target: SocketAddr,
    /// A system whose answer is taken as the right one, mostly the simulator itself; every answer of the target must
    /// tell the same.
    #[arg(long)]
    pub(crate) reference: SocketAddr,
    /// Key sent to the reference.
    #[arg(long, default_value = "sk-provider")]
    pub(crate) reference_key: String,
    /// Key sent to the target.
    #[arg(long, default_value = "sk-client")]
    pub(crate) key: String,
    /// The protocol that is spoken, with target and reference alike.
    #[arg(long, value_enum, default_value_t = Protocol::Chat)]
    pub(crate) protocol: Protocol,
    /// The model that is asked.
    #[arg(long, default_value = "bench-model")]
    pub(crate) model: String,
    /// What a request is.
    #[arg(long, value_enum, default_value_t = Shape::Small)]
    pub(crate) shape: Shape,
    /// Connections kept open.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Requests per second over all connections; without it each connection sends as fast as it is answered.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// How long to send; requests begun by then are finished.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// A request without a complete answer after so many seconds has failed: one that hangs must not hold up the run.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) patience: f64,
}

/// How clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Protocol {
    /// OpenAI's Chat Completions.
    Chat,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Messages,
    /// Gemini's `generateContent` and `streamGenerateContent`.
    Gemini,
}

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    /// 200 bytes, answered whole.
    Small,
    /// 100 kB in 50 messages, answered whole.
    Large,
    /// 1 MB in 500 messages, answered whole.
    Huge,
    /// 200 bytes, answered by a stream.
    Stream,
    /// 16 short texts, answered by a vector for each; of OpenAI's protocols alone.
    Embeddings,
}

impl Shape {
    /// Those that a protocol has.
    #[cfg(test)]
    fn of(protocol: Protocol) -> impl Iterator<Item = Self> {
        let all = Self::value_variants().iter().copied();
        all.filter(move |shape| *shape != Self::Embeddings || protocol == Protocol::Chat)
    }
}

impl Settings {
    /// What is sent to whom `key` is for.
    fn request(&self, key: &str) -> Vec<u8> {
        prompt::request(self.protocol, self.shape, &self.model, key)
    }
}

/// How a load went. Durations are microseconds, and of requests that were not refused where nothing else is said.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Requests answered with what the reference answers.
    pub(crate) good: u64,
    /// Requests refused for now: 429 or 503, with `Retry-After`.
    pub(crate) refused: u64,
    /// Requests answered with something else.
    pub(crate) wrong: u64,
    /// Requests that got no complete answer.
    pub(crate) failed: u64,
    pub(crate) seconds: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
    /// From when a request was sent until it was refused.
    pub(crate) refused_p99_us: f64,
    /// From the request to the first byte of its answer's body.
    pub(crate) first_byte_p50_us: f64,
    pub(crate) first_byte_p99_us: f64,
    /// What the first wrong or failed request met.
    pub(crate) first_error: Option<String>,
}

impl Report {
    /// Requests that the target must have seen.
    pub(crate) fn answered(&self) -> u64 {
        self.good + self.refused + self.wrong
    }
}

/// Runs a load and prints its report as one line of JSON.
pub(crate) async fn print(settings: Settings) -> anyhow::Result<()> {
    let report = LocalSet::new().run_until(run(settings)).await?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    Ok(())
}

struct Tally {
    latency: Histogram<u64>,
    first_byte: Histogram<u64>,
    refused: Histogram<u64>,
    report: Report,
    verifier: Verifier,
}

/// Runs a load inside a [`LocalSet`].
pub(crate) async fn run(settings: Settings) -> anyhow::Result<Report> {
    let right = reference(&settings)
        .await
        .context("the reference did not answer")?;
    let histogram = || Histogram::<u64>::new_with_bounds(1_000, 120_000_000_000, 3);
    let tally = Rc::new(RefCell::new(Tally {
        latency: histogram()?,
        first_byte: histogram()?,
        refused: histogram()?,
        report: Report::default(),
        verifier: Verifier::new(settings.protocol, right)
            .context("the reference's answer is of no use")?,
    }));
    let request: Rc<[u8]> = settings.request(&settings.key).into();
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(settings.seconds);
    let due = settings
        .rate
        .map(|rate| Rc::new(Mutex::new(pacer(rate, start, end))));
    let mut workers = JoinSet::new();
    for _ in 0..settings.connections {
        let worker = Worker {
            request: Rc::clone(&request),
            tally: Rc::clone(&tally),
            end,
            due: due.clone(),
            patience: Duration::from_secs_f64(settings.patience),
        };
        workers.spawn_local(worker.run(settings.target));
    }
    while let Some(done) = workers.join_next().await {
        done.context("a worker panicked")?;
    }
    let tally = Rc::try_unwrap(tally)
        .map_err(|_| anyhow::anyhow!("a worker is left"))?
        .into_inner();
    Ok(tally.finish(start.elapsed()))
}

async fn reference(settings: &Settings) -> anyhow::Result<Vec<u8>> {
    let mut connection = Connection::open(settings.reference).await?;
    let request = settings.request(&settings.reference_key);
    let mut body = Vec::new();
    let head = connection.exchange(&request, &mut body).await?;
    anyhow::ensure!(
        head.status == 200,
        "status {}: {}",
        head.status,
        String::from_utf8_lossy(&body)
    );
    Ok(body)
}

/// Says when each request is due. A thread of its own, since it can sleep to some 50 us and a runtime's timers to 1 ms.
fn pacer(rate: f64, start: Instant, end: Instant) -> mpsc::UnboundedReceiver<Instant> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for number in 0_u64.. {
            let due = start + Duration::from_secs_f64(number as f64 / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if due >= end || sender.send(due).is_err() {
                return;
            }
        }
    });
    receiver
}

struct Worker {
    request: Rc<[u8]>,
    tally: Rc<RefCell<Tally>>,
    end: Instant,
    due: Option<Rc<Mutex<mpsc::UnboundedReceiver<Instant>>>>,
    patience: Duration,
}

impl Worker {
    async fn run(self, target: SocketAddr) {
        let mut connection = None;
        let mut body = Vec::new();
        while let Some(due) = self.next().await {
            let sent = Instant::now();
            let answered = async {
                let mut open = match connection.take() {
                    Some(open) => open,
                    None => Connection::open(target).await?,
                };
                let head = open.exchange(&self.request, &mut body).await?;
                Ok::<_, std::io::Error>((open, head))
            };
            match tokio::time::timeout(self.patience, answered)
                .await
                .unwrap_or_else(|late| Err(late.into()))
            {
                Ok((open, head)) => {
                    self.tally.borrow_mut().answer(&head, &body, due, sent);
                    connection = head.keep_alive.then_some(open);
                }
                Err(error) => {
                    self.tally.borrow_mut().fail(&error);
                    // A target that refuses connections must not turn this loop into a busy one.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }

    /// When the next request was due; none once the time is up.
    async fn next(&self) -> Option<Instant> {
        match &self.due {
            Some(due) => due.lock().await.recv().await,
            None => Some(Instant::now()).filter(|now| *now < self.end),
        }
    }
}

impl Tally {
    fn answer(&mut self, head: &connection::Head, body: &[u8], due: Instant, sent: Instant) {
        if matches!(head.status, 429 | 503) && head.retry_after {
            self.report.refused += 1;
            let took = sent.elapsed().as_nanos() as u64;
            self.refused.saturating_record(took);
            return;
        }
        let took = |until: Instant| until.saturating_duration_since(due).as_nanos() as u64;
        self.latency.saturating_record(took(Instant::now()));
        self.first_byte.saturating_record(took(head.first_byte));
        let verdict = if head.status == 200 {
            self.verifier.check(body)
        } else {
            Err(format!("status {}", head.status).into())
        };
        match verdict {
            Ok(()) => self.report.good += 1,
            Err(error) => {
                self.report.wrong += 1;
                let body = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
                self.report
                    .first_error
                    .get_or_insert_with(|| format!("{error}: {body}"));
            }
        }
    }

    fn fail(&mut self, error: &std::io::Error) {
        self.report.failed += 1;
        self.report
            .first_error
            .get_or_insert_with(|| error.to_string());
    }

    fn finish(self, took: Duration) -> Report {
        let quantile =
            |histogram: &Histogram<u64>, q: f64| histogram.value_at_quantile(q) as f64 / 1000.0;
        Report {
            seconds: took.as_secs_f64(),
            per_second: self.report.good as f64 / took.as_secs_f64(),
            p50_us: quantile(&self.latency, 0.5),
            p90_us: quantile(&self.latency, 0.9),
            p99_us: quantile(&self.latency, 0.99),
            p999_us: quantile(&self.latency, 0.999),
            max_us: self.latency.max() as f64 / 1000.0,
            first_byte_p50_us: quantile(&self.first_byte, 0.5),
            first_byte_p99_us: quantile(&self.first_byte, 0.99),
            refused_p99_us: quantile(&self.refused, 0.99),
            ..self.report
        }
    }
}

#[cfg(test)]
mod tests {
    use simulator::{Behaviour, Fault, Point, RetryAfter, Simulator, SimulatorSettings};

    use super::*;

    async fn load(
        target: &Simulator,
        reference: &Simulator,
        protocol: Protocol,
        shape: Shape,
        rate: Option<f64>,
    ) -> Report {
        let settings = Settings {
            target: target.address(),
            reference: reference.address(),
            reference_key: "sk-provider".to_owned(),
            key: "sk-client".to_owned(),
            protocol,
            model: "bench-model".to_owned(),
            shape,
            connections: 4,
            rate,
            seconds: 0.05,
            patience: 10.0,
        };
        LocalSet::new().run_until(run(settings)).await.unwrap()
    }

    async fn fixed() -> Simulator {
        let settings = SimulatorSettings {
            fixed_answers: true,
            ..SimulatorSettings::default()
        };
        Simulator::start(settings).await.unwrap()
    }

    #[tokio::test]
    async fn every_shape_is_answered_and_counted() {
        let sim = fixed().await;
        for protocol in Protocol::value_variants() {
            for shape in Shape::of(*protocol) {
                for rate in [None, Some(400.0)] {
                    let before = sim.counts().received;
                    let report = load(&sim, &sim, *protocol, shape, rate).await;
                    assert!(
                        report.good > 0 && report.wrong == 0 && report.failed == 0,
                        "{protocol:?} {shape:?}: {report:?}"
                    );
                    assert_eq!(
                        sim.counts().received - before,
                        report.answered() + 1,
                        "and the reference"
                    );
                    assert!(
                        report.p50_us > 0.0 && report.max_us >= report.p999_us,
                        "{report:?}"
                    );
                }
            }
        }
        let counts = sim.counts();
        assert_eq!(sim.requests().len(), 0, "all of them fixed: {counts:?}");
    }

    #[tokio::test]
    async fn who_is_told_when_to_come_again_was_refused() {
        let (sim, right) = (
            Simulator::start(SimulatorSettings::default())
                .await
                .unwrap(),
            fixed().await,
        );
        sim.fail(Behaviour::status(429).retry_after(RetryAfter::Seconds(1)));
        let report = load(&sim, &right, Protocol::Chat, Shape::Small, None).await;
        assert!(report.refused > 0 && report.refused_p99_us > 0.0);
        assert_eq!((report.good, report.wrong, report.failed), (0, 0, 0));
    }

    #[tokio::test]
    async fn what_differs_or_breaks_is_not_good() {
        let (sim, right) = (
            Simulator::start(SimulatorSettings::default())
                .await
                .unwrap(),
            fixed().await,
        );
        let table = [
            (
                Behaviour {
                    text: Some("other".to_owned()),
                    ..Behaviour::default()
                },
                true,
            ),
            (Behaviour::status(500), true),
            (Behaviour::status(503), true),
            (Behaviour::fault(Fault::NoDone), true),
            (
                Behaviour::fault(Fault::Close {
                    at: Point::AfterEvents(3),
                }),
                false,
            ),
        ];
        for protocol in Protocol::value_variants() {
            for (behaviour, answered) in &table {
                sim.fail(behaviour.clone());
                let report = load(&sim, &right, *protocol, Shape::Stream, None).await;
                assert_eq!(report.good, 0, "{protocol:?} {behaviour:?}");
                assert_eq!(
                    (report.wrong > 0, report.failed > 0),
                    (*answered, !answered),
                    "{protocol:?} {behaviour:?}: {report:?}"
                );
            }
        }
    }
}
