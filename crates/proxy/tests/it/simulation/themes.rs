//! Schedules that are about something.
//!
//! What is drawn at random from everything seldom comes to where several things have to fit: that a stream breaks after
//! content while another provider says the same and is in time, that a provider is back and somebody still asks. So a third
//! of all schedules has a theme: most of what is drawn stays, and what would lead away from the theme is taken out.

use std::time::Duration;

use fastrand::Rng;
use simulator::{Behaviour, CallSpec, Fault, Place, Point, Rule};

use super::invariants::FLAGGED;
use super::schedule::{
    Ask, Association, ModelSetup, Moderation, Phase, ProviderSetup, Reach, Schedule, texts,
};

/// Gives one schedule in three a theme.
pub(super) fn shape(schedule: &mut Schedule, dice: &mut Rng) {
    match dice.u8(..12) {
        0 => breaking(schedule, dice),
        1 => racing(schedule, dice),
        2 => returning(schedule, dice),
        3 => moderated(schedule, dice),
        _ => {}
    }
}

/// Streams break after content, and others may go on with them, of whom most would say the same.
fn breaking(schedule: &mut Schedule, dice: &mut Rng) {
    settle(schedule);
    let texts = texts(dice.u8(..4) > 0, schedule.phases.len(), 10);
    for model in models(schedule) {
        model.verified_resume = true;
        model.max_retry = model.max_retry.max(2);
    }
    for ask in &mut schedule.asks {
        ask.stream = true;
        ask.tools = dice.u8(..4) == 0;
        ask.resume = None;
    }
    let calls = vec![CallSpec::default(); dice.usize(..2)];
    for provider in 0..texts.len() {
        let breaks = Behaviour::fault(after_content(dice));
        // Sometimes one that goes on breaks as well.
        let rate = [0.3, 0.6][dice.usize(..2)];
        schedule.phases[provider] = vec![always(vec![Rule {
            rate: Some(rate),
            ..Rule::always(breaks)
        }])];
    }
    say(schedule, texts);
    let phases = schedule.phases.iter_mut().flatten();
    for rule in phases.flat_map(|phase| &mut phase.rules) {
        rule.behaviour.tool_calls = Some(calls.clone());
    }
}

fn after_content(dice: &mut Rng) -> Fault {
    const PLACES: [Place; 4] = [Place::Field, Place::Json, Place::Character, Place::LineEnd];
    let after_events = dice.usize(5..9);
    let at = Point::AfterEvents(after_events);
    match dice.u8(..6) {
        0 => Fault::Hang { at },
        1 => Fault::Reset { at },
        2 => Fault::ErrorEvent { after_events },
        3 => Fault::Malformed { after_events },
        4 => Fault::Close {
            at: Point::Within {
                after_events,
                place: PLACES[dice.usize(..4)],
            },
        },
        _ => Fault::Close { at },
    }
}

/// Providers are now quick and now slow, and the next is asked when one is slow.
fn racing(schedule: &mut Schedule, dice: &mut Rng) {
    settle(schedule);
    for model in models(schedule) {
        model.hedge_after_ms = Some([1, 50, 300][dice.usize(..3)]);
        model.max_retry = model.max_retry.max(1);
    }
    for phases in &mut schedule.phases {
        let slow = |dice: &mut Rng, below: u64| Behaviour {
            ttft_ms: Some(dice.u64(..below)),
            ..Behaviour::default()
        };
        let some = |behaviour| Rule {
            rate: Some(0.4),
            ..Rule::always(behaviour)
        };
        let rules = vec![
            Rule {
                rate: Some(0.1),
                ..Rule::always(Behaviour::status(500))
            },
            some(slow(dice, 2_000)),
            some(slow(dice, 100)),
        ];
        *phases = vec![always(rules)];
    }
    let texts = schedule.texts.clone();
    say(schedule, texts);
}

/// One provider is gone for a while, then it is as good as ever; requests come all the time.
fn returning(schedule: &mut Schedule, dice: &mut Rng) {
    settle(schedule);
    let length = Duration::from_secs(240);
    let first_priority = dice.i32(0..2);
    for (_, config) in &mut schedule.configs {
        for provider in &mut config.providers {
            provider.priority = 0;
        }
        config.providers[0].priority = first_priority;
    }
    let template = schedule.asks[0].clone();
    schedule.asks = (0..60)
        .map(|number| Ask {
            at: length.mul_f64(f64::from(number) / 60.0),
            client: crate::protocols::CLIENTS[dice.usize(..4)],
            stream: dice.bool(),
            model: 0,
            ..template.clone()
        })
        .collect();
    for phases in &mut schedule.phases {
        *phases = vec![always(Vec::new())];
    }
    let sick = match dice.u8(..3) {
        0 => Phase {
            reach: Reach::Refused,
            ..always(Vec::new())
        },
        1 => always(vec![Rule::always(Behaviour::status(401))]),
        _ => always(vec![Rule::always(Behaviour::status(500))]),
    };
    let well = Phase {
        from: length.mul_f64(dice.f64() / 4.0),
        ..always(Vec::new())
    };
    schedule.phases[0] = vec![sick, well];
    let texts = schedule.texts.clone();
    say(schedule, texts);
}

/// What is said is moderated, by an endpoint that fails now and then.
fn moderated(schedule: &mut Schedule, dice: &mut Rng) {
    settle(schedule);
    for model in models(schedule) {
        model.moderation = Some(Moderation {
            on: ["response", "both"][dice.usize(..2)],
            on_failure: ["deny", "allow"][dice.usize(..2)],
        });
    }
    for ask in &mut schedule.asks {
        ask.stream = dice.u8(..4) > 0;
        // The time of a request is over for moderation too.
        ask.timeout = (dice.u8(..4) == 0).then(|| [0.2, 1.0, 3.0][dice.usize(..3)]);
    }
    let mut fails = Vec::new();
    if dice.bool() {
        let fault = [
            Behaviour::status(500),
            Behaviour::fault(Fault::Hang {
                at: Point::BeforeHeaders,
            }),
            Behaviour::fault(Fault::Malformed { after_events: 0 }),
        ];
        fails.push(Rule {
            rate: Some(0.2),
            ..Rule::always(fault[dice.usize(..3)].clone())
        });
    }
    schedule.moderator = vec![always(fails)];
    // Slowly enough for several windows, of which any may be the one.
    let slowly = Rule::always(Behaviour {
        tokens_per_second: Some(20.0),
        ..Behaviour::default()
    });
    for phases in &mut schedule.phases {
        *phases = vec![always(vec![slowly.clone()])];
    }
    let count = 24;
    let mut texts = texts(dice.bool(), schedule.phases.len(), count);
    if dice.bool() {
        for text in &mut texts {
            let spaces = text.match_indices(' ').map(|(place, _)| place);
            let place = spaces.chain([text.len()]).nth(dice.usize(..count));
            text.insert_str(place.unwrap_or_default(), &format!(" {FLAGGED}"));
        }
    }
    say(schedule, texts);
}

/// At least two providers who serve everything and are there, and clients with patience.
fn settle(schedule: &mut Schedule) {
    let association = || Association {
        weight: 1,
        tool_call: true,
        enabled: true,
    };
    let count = schedule.phases.len().max(2);
    for (_, config) in &mut schedule.configs {
        let another = || ProviderSetup {
            priority: 0,
            ..config.providers[0].clone()
        };
        let providers: Vec<_> = (config.providers.len()..count).map(|_| another()).collect();
        config.providers.extend(providers);
        for provider in &mut config.providers {
            provider.enabled = true;
            provider.weight = 1;
        }
        for model in &mut config.models {
            model.associations = (0..count).map(|_| Some(association())).collect();
            (
                model.connect,
                model.first_content,
                model.response,
                model.idle,
            ) = (5.0, 30.0, 60.0, 5.0);
            model.total = None;
            model.hedge_after_ms = None;
            model.hedge_percentile = None;
        }
    }
    schedule.phases.resize_with(count, Vec::new);
    if schedule.texts.len() < count {
        schedule.texts = texts(true, count, 10);
    }
    for ask in &mut schedule.asks {
        ask.timeout = None;
        ask.retry_count = None;
        ask.provider = None;
        ask.tools = false;
        // Some still leave.
        ask.hang_up = ask.hang_up.filter(|after| *after > Duration::from_secs(1));
    }
}

fn models(schedule: &mut Schedule) -> impl Iterator<Item = &mut ModelSetup> {
    let configs = schedule.configs.iter_mut();
    configs.flat_map(|(_, config)| &mut config.models)
}

/// From the start on, and nothing else after the rules but good answers.
fn always(mut rules: Vec<Rule>) -> Phase {
    rules.push(Rule::always(Behaviour::default()));
    Phase {
        from: Duration::ZERO,
        reach: Reach::Open(Duration::ZERO),
        rules,
    }
}

/// Has each provider say this, whatever it does beside.
fn say(schedule: &mut Schedule, texts: Vec<String>) {
    for (phases, text) in schedule.phases.iter_mut().zip(&texts) {
        let rules = phases.iter_mut().flat_map(|phase| &mut phase.rules);
        for rule in rules {
            rule.behaviour.text = Some(text.clone());
        }
    }
    schedule.texts = texts;
}
