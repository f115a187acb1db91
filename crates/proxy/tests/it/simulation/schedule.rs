//! What happens in one run, drawn from a seed.

use std::time::Duration;

use fastrand::Rng;
use simulator::{
    Behaviour, CallSpec, ErrorKind, Fault, KeepAlive, LineEnd, Place, Point, RetryAfter, Rule,
    SseShape,
};

use super::themes;
use crate::protocols::{CLIENTS, Client};

/// One run.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) seed: u64,
    /// What each provider says. Where all say the same, one can go on where another broke off.
    pub(super) texts: Vec<String>,
    /// What is configured from when on; the first from the start.
    pub(super) configs: Vec<(Duration, Config)>,
    /// What becomes of each provider, and when.
    pub(super) phases: Vec<Vec<Phase>>,
    /// What becomes of the moderation endpoint.
    pub(super) moderator: Vec<Phase>,
    pub(super) asks: Vec<Ask>,
}

/// A configuration.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) models: Vec<ModelSetup>,
    pub(super) providers: Vec<ProviderSetup>,
}

#[derive(Debug, Clone)]
pub(super) struct ModelSetup {
    pub(super) max_retry: u32,
    pub(super) strategy: &'static str,
    /// Seconds.
    pub(super) connect: f64,
    pub(super) first_content: f64,
    pub(super) response: f64,
    pub(super) idle: f64,
    pub(super) total: Option<f64>,
    pub(super) hedge_after_ms: Option<i32>,
    pub(super) hedge_percentile: Option<i32>,
    pub(super) heartbeat_after_ms: Option<i32>,
    pub(super) verified_resume: bool,
    pub(super) moderation: Option<Moderation>,
    /// By provider; none where the provider does not serve the model.
    pub(super) associations: Vec<Option<Association>>,
}

/// What is asked of the moderation endpoint.
#[derive(Debug, Clone)]
pub(super) struct Moderation {
    pub(super) on: &'static str,
    pub(super) on_failure: &'static str,
}

#[derive(Debug, Clone)]
pub(super) struct Association {
    pub(super) weight: i32,
    pub(super) tool_call: bool,
    pub(super) enabled: bool,
}

#[derive(Debug, Clone)]
pub(super) struct ProviderSetup {
    pub(super) kind: &'static str,
    /// Of type `openai`: its APIs.
    pub(super) api: &'static str,
    pub(super) priority: i32,
    pub(super) weight: u32,
    pub(super) enabled: bool,
}

/// How a provider behaves from a moment on.
#[derive(Debug)]
pub(super) struct Phase {
    pub(super) from: Duration,
    pub(super) reach: Reach,
    pub(super) rules: Vec<Rule>,
}

/// What connecting meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Open(Duration),
    Refused,
    BlackHole,
}

/// A request of a client.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) at: Duration,
    pub(super) client: Client,
    pub(super) stream: bool,
    pub(super) tools: bool,
    pub(super) model: usize,
    /// Hangs up so long after it asked.
    pub(super) hang_up: Option<Duration>,
    /// Reads its stream with such pauses.
    pub(super) pause: Duration,
    pub(super) timeout: Option<f64>,
    pub(super) retry_count: Option<u32>,
    pub(super) provider: Option<usize>,
    pub(super) resume: Option<bool>,
}

/// Words, unlike those of any other speaker from the first one on, and with characters of several bytes.
pub(super) fn words(speaker: &str, count: usize) -> String {
    let words: Vec<_> = (0..count)
        .map(|word| format!("{speaker}wörd{word}"))
        .collect();
    words.join(" ")
}

/// What each of so many providers says.
pub(super) fn texts(is_unanimous: bool, providers: usize, count: usize) -> Vec<String> {
    let text = |provider| match is_unanimous {
        true => words("all", count),
        false => words(&format!("p{provider}"), count),
    };
    (0..providers).map(text).collect()
}

impl Schedule {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Rng::with_seed(seed);
        let length = [1, 10, 60, 600][dice.usize(..4)];
        let length = Duration::from_secs(length);
        let config = Config::new(&mut dice);
        let count = config.providers.len();
        let texts = texts(dice.bool(), count, 10);
        let mut configs = vec![(Duration::ZERO, config)];
        for _ in 0..dice.usize(..3) {
            let next = configs[configs.len() - 1].1.changed(&mut dice);
            configs.push((Duration::ZERO, next));
        }
        let mut moments: Vec<_> = configs.iter().map(|_| moment(&mut dice, length)).collect();
        moments.sort_unstable();
        for ((at, _), moment) in configs.iter_mut().zip(moments).skip(1) {
            *at = moment;
        }
        let phases = texts.iter().map(|text| phases(&mut dice, text, length));
        let phases = phases.collect();
        let models = configs[0].1.models.len();
        let asks = (0..dice.usize(5..=40))
            .map(|_| Ask::new(&mut dice, length, models, count))
            .collect();
        let mut schedule = Self {
            seed,
            texts,
            configs,
            phases,
            moderator: Vec::new(),
            asks,
        };
        themes::shape(&mut schedule, &mut dice);
        schedule
    }

    /// All that becomes of anybody, by the place of who it is in the network.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, &Phase)> {
        let all = self.phases.iter().chain([&self.moderator]);
        let all = all.enumerate();
        all.flat_map(|(place, phases)| phases.iter().map(move |phase| (place, phase)))
    }
}

impl Config {
    fn new(dice: &mut Rng) -> Self {
        let providers: Vec<_> = (0..dice.usize(1..=6))
            .map(|_| ProviderSetup {
                kind: ["openai", "anthropic", "gemini"][dice.usize(..3)],
                api: ["both", "chat", "responses"][dice.usize(..3)],
                priority: dice.i32(0..3),
                weight: dice.u32(..4),
                enabled: dice.u8(..10) > 0,
            })
            .collect();
        let models = (0..dice.usize(1..=3))
            .map(|_| ModelSetup::new(dice, providers.len()))
            .collect();
        Self { models, providers }
    }

    /// The same with something changed.
    fn changed(&self, dice: &mut Rng) -> Self {
        let mut next = self.clone();
        let provider = dice.usize(..next.providers.len());
        let provider = &mut next.providers[provider];
        match dice.u8(..4) {
            0 => provider.enabled = !provider.enabled,
            1 => provider.priority = dice.i32(0..3),
            2 => provider.weight = dice.u32(..4),
            _ => provider.api = ["both", "chat", "responses"][dice.usize(..3)],
        }
        let model = dice.usize(..next.models.len());
        let fresh = ModelSetup::new(dice, next.providers.len());
        let model = &mut next.models[model];
        match dice.u8(..3) {
            0 => model.max_retry = fresh.max_retry,
            1 => model.associations = fresh.associations,
            _ => model.strategy = fresh.strategy,
        }
        next
    }

    /// The providers that can serve `ask`.
    pub(super) fn eligible(&self, ask: &Ask) -> Vec<usize> {
        let serves = |provider: &usize| {
            let setup = &self.providers[*provider];
            let association = self.models[ask.model].associations[*provider].as_ref();
            setup.enabled
                && association.is_some_and(|it| it.enabled && (it.tool_call || !ask.tools))
                && ask.provider.is_none_or(|wanted| wanted == *provider)
        };
        (0..self.providers.len()).filter(serves).collect()
    }
}

impl ModelSetup {
    fn new(dice: &mut Rng, providers: usize) -> Self {
        const STRATEGIES: [&str; 6] = [
            "weighted",
            "round_robin",
            "least_latency",
            "least_busy",
            "cheapest",
            "sticky",
        ];
        let seconds = |dice: &mut Rng| [0.2, 1.0, 5.0, 30.0][dice.usize(..4)];
        let associations = (0..providers).map(|_| {
            (dice.u8(..5) > 0).then(|| Association {
                weight: dice.i32(0..4),
                tool_call: dice.u8(..4) > 0,
                enabled: dice.u8(..10) > 0,
            })
        });
        let associations = associations.collect();
        Self {
            max_retry: dice.u32(..6),
            strategy: STRATEGIES[dice.usize(..STRATEGIES.len())],
            connect: seconds(dice),
            first_content: seconds(dice),
            response: seconds(dice),
            idle: seconds(dice),
            total: (dice.u8(..3) == 0).then(|| seconds(dice)),
            hedge_after_ms: (dice.u8(..3) == 0).then(|| [1, 50, 700][dice.usize(..3)]),
            hedge_percentile: (dice.u8(..6) == 0).then(|| dice.i32(50..=99)),
            heartbeat_after_ms: (dice.u8(..4) == 0).then(|| [100, 700, 5_000][dice.usize(..3)]),
            verified_resume: dice.u8(..3) == 0,
            moderation: None,
            associations,
        }
    }
}

impl Ask {
    fn new(dice: &mut Rng, length: Duration, models: usize, providers: usize) -> Self {
        let millis = |dice: &mut Rng, below| Duration::from_millis(dice.u64(..below));
        Self {
            at: moment(dice, length),
            client: CLIENTS[dice.usize(..4)],
            stream: dice.u8(..3) > 0,
            tools: dice.u8(..4) == 0,
            model: dice.usize(..models),
            hang_up: (dice.u8(..5) == 0).then(|| {
                let below = [5, 200, 5_000, 60_000][dice.usize(..4)];
                millis(dice, below)
            }),
            pause: [Duration::ZERO, millis(dice, 100), millis(dice, 5_000)][dice.usize(..3)],
            timeout: (dice.u8(..5) == 0).then(|| [0.001, 0.2, 3.0, 20.0][dice.usize(..4)]),
            retry_count: (dice.u8(..5) == 0).then(|| dice.u32(..=5)),
            provider: (dice.u8(..8) == 0).then(|| dice.usize(..providers)),
            resume: (dice.u8(..4) == 0).then(|| dice.bool()),
        }
    }
}

/// Often the same as others', so that much happens at once.
fn moment(dice: &mut Rng, length: Duration) -> Duration {
    length.mul_f64(match dice.u8(..3) {
        0 => f64::from(dice.u8(..5)) / 5.0,
        _ => dice.f64(),
    })
}

fn phases(dice: &mut Rng, text: &str, length: Duration) -> Vec<Phase> {
    let mut phases: Vec<_> = (0..dice.usize(1..=4))
        .map(|index| Phase {
            from: match index {
                0 => Duration::ZERO,
                _ => moment(dice, length),
            },
            reach: match dice.u8(..20) {
                0 | 1 => Reach::Refused,
                2 | 3 => Reach::BlackHole,
                4 => Reach::Open(Duration::from_millis(dice.u64(..3_000))),
                _ => Reach::Open(Duration::ZERO),
            },
            rules: rules(dice, text),
        })
        .collect();
    phases.sort_by_key(|phase| phase.from);
    phases
}

/// Faults by rate, and good answers for the rest.
fn rules(dice: &mut Rng, text: &str) -> Vec<Rule> {
    // Half of the time all is well.
    let faults = dice.usize(..8).saturating_sub(4);
    let mut rules: Vec<_> = (0..faults)
        .map(|_| Rule {
            rate: Some([0.2, 0.5, 1.0][dice.usize(..3)]),
            ..Rule::always(fault(dice))
        })
        .collect();
    rules.push(Rule::always(pace(dice, Behaviour::default())));
    for rule in &mut rules {
        rule.behaviour.text = Some(text.to_owned());
        // A text may go before a call only where the calls are named.
        rule.behaviour.tool_calls = Some(vec![CallSpec::default(); dice.usize(..2)]);
    }
    rules
}

fn pace(dice: &mut Rng, behaviour: Behaviour) -> Behaviour {
    const LINE_ENDS: [LineEnd; 3] = [LineEnd::Lf, LineEnd::CrLf, LineEnd::Cr];
    Behaviour {
        ttft_ms: [
            None,
            Some(dice.u64(..90)),
            Some(dice.u64(..900)),
            Some(dice.u64(..40_000)),
        ][dice.usize(..4)],
        tokens_per_second: [None, Some(0.1 + dice.f64() * 40.0)][dice.usize(..2)],
        sse: (dice.u8(..3) == 0).then(|| SseShape {
            split_bytes: dice.usize(..40),
            line_end: LINE_ENDS[dice.usize(..3)],
            comments: dice.bool(),
            tight: dice.bool(),
            coalesce: dice.bool(),
            ascii: dice.bool(),
        }),
        keep_alive: [
            None,
            None,
            Some(KeepAlive::CloseAfterAnswer),
            Some(KeepAlive::ResetOnReuse),
        ][dice.usize(..4)],
        ..behaviour
    }
}

fn fault(dice: &mut Rng) -> Behaviour {
    const STATUSES: [u16; 14] = [
        301, 400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529,
    ];
    const ERRORS: [ErrorKind; 10] = [
        ErrorKind::ContextLengthExceeded,
        ErrorKind::ContentPolicy,
        ErrorKind::InvalidRequest,
        ErrorKind::EchoKey,
        ErrorKind::ModelNotFound,
        ErrorKind::RateLimit,
        ErrorKind::InsufficientQuota,
        ErrorKind::ServerError,
        ErrorKind::Overloaded,
        ErrorKind::Html,
    ];
    match dice.u8(..8) {
        0 | 1 => {
            let status = Behaviour::status(STATUSES[dice.usize(..STATUSES.len())]);
            match pause(dice) {
                Some(pause) => status.retry_after(pause),
                None => status,
            }
        }
        2 => {
            let limited = Behaviour::status([429, 503, 529][dice.usize(..3)]);
            limited.retry_after(pause(dice).unwrap_or(RetryAfter::Seconds(1)))
        }
        3 => Behaviour::error(ERRORS[dice.usize(..ERRORS.len())]),
        _ => {
            let broken = Behaviour::fault(on_the_way(dice));
            pace(dice, broken)
        }
    }
}

fn pause(dice: &mut Rng) -> Option<RetryAfter> {
    let seconds = [0, 1, 2, 5, 60, 4_000][dice.usize(..6)];
    [
        None,
        Some(RetryAfter::Seconds(seconds)),
        Some(RetryAfter::Ms(dice.u64(..4_000))),
        Some(RetryAfter::RateLimitReset(seconds)),
    ][dice.usize(..4)]
}

fn on_the_way(dice: &mut Rng) -> Fault {
    const PLACES: [Place; 4] = [Place::Field, Place::Json, Place::Character, Place::LineEnd];
    let after_events = dice.usize(..8);
    let at = [
        Point::BeforeHeaders,
        Point::InHeaders,
        Point::AfterHeaders,
        Point::MidBody,
        Point::AfterEvents(dice.usize(..8)),
        Point::Within {
            after_events,
            place: PLACES[dice.usize(..4)],
        },
    ][dice.usize(..6)];
    let (bytes, every_ms) = (dice.usize(1..200), dice.u64(1..2_000));
    match dice.u8(..10) {
        0 => Fault::Hang { at },
        1 => Fault::Reset { at },
        2 => Fault::Close { at },
        3 => Fault::Trickle { bytes, every_ms },
        4 => Fault::SlowHeaders { bytes, every_ms },
        5 => Fault::Malformed { after_events },
        6 => Fault::ErrorEvent { after_events },
        7 => Fault::Empty,
        8 => Fault::NoDone,
        _ => [Fault::JsonForStream, Fault::Gzip][dice.usize(..2)].clone(),
    }
}
