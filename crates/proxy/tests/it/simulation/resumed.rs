//! How long another provider may take to go on with a stream that broke.

use std::time::Duration;

use simulator::{Behaviour, Fault, Point, Rule};

use super::{
    schedule::{Ask, Association, Config, ModelSetup, Phase, ProviderSetup, Reach, Schedule},
    told::Told,
    world::{End, play},
};
use crate::protocols::{CLIENTS, Client};

const SAID: &str = "one two three four five six seven eight nine ten";
/// What the second provider takes to its first content.
const TAKES: Duration = Duration::from_secs(20);

/// Two providers that say the same: the first breaks off soon, the second takes its time.
fn schedule(client: Client, own: Option<f64>, total: Option<f64>) -> Schedule {
    let provider = |priority| ProviderSetup {
        kind: "openai",
        api: "both",
        priority,
        weight: 1,
        enabled: true,
    };
    let association = Association {
        weight: 1,
        tool_call: true,
        enabled: true,
    };
    let model = ModelSetup {
        max_retry: 1,
        strategy: "weighted",
        connect: 5.0,
        first_content: 30.0,
        response: 30.0,
        idle: 30.0,
        total,
        hedge_after_ms: None,
        hedge_percentile: None,
        heartbeat_after_ms: None,
        verified_resume: true,
        moderation: None,
        associations: vec![Some(association); 2],
    };
    let config = Config {
        models: vec![model],
        providers: vec![provider(2), provider(1)],
    };
    let breaks = Behaviour::fault(Fault::Close {
        at: Point::AfterEvents(8),
    });
    let late = Behaviour {
        ttft_ms: Some(TAKES.as_millis().try_into().unwrap()),
        ..Behaviour::default()
    };
    let phase = |behaviour| Phase {
        from: Duration::ZERO,
        reach: Reach::Open(Duration::ZERO),
        rules: vec![Rule::always(Behaviour {
            text: Some(SAID.to_owned()),
            ..behaviour
        })],
    };
    Schedule {
        seed: 1,
        texts: vec![SAID.to_owned(); 2],
        configs: vec![(Duration::ZERO, config)],
        phases: vec![vec![phase(breaks)], vec![phase(late)]],
        moderator: Vec::new(),
        asks: vec![Ask {
            at: Duration::ZERO,
            client,
            stream: true,
            tools: false,
            model: 0,
            hang_up: None,
            pause: Duration::ZERO,
            timeout: own,
            retry_count: None,
            provider: None,
            resume: None,
        }],
    }
}

#[test]
fn the_total_of_a_request_bounds_the_wait_for_another_provider_too() {
    let table = [
        (None, None, None),
        (None, Some(25.0), None),
        (None, Some(3.0), Some("timeout")),
        (Some(25.0), None, None),
        (Some(3.0), None, Some("client_timeout")),
        // The request's own stands before the policy's.
        (Some(25.0), Some(3.0), None),
    ];
    for client in CLIENTS {
        for (own, total, cut_short) in table {
            let context = format!("{client:?} {own:?} {total:?}");
            let run = play(&schedule(client, own, total));
            let seen = run.seen[0].as_ref().expect(&context);
            let told = Told::stream(client, &seen.body);
            let record = &run.records[0];
            assert_eq!(seen.end, End::Whole, "{context}");
            assert_eq!(told.wrong, None, "{context}");
            assert_eq!(record.attempts.len(), 2, "{context}");
            assert_eq!(record.attempts[1].error_class, cut_short, "{context}");
            assert_eq!(told.is_complete, cut_short.is_none(), "{context}");
            assert_eq!(told.is_error, cut_short.is_some(), "{context}");
            if cut_short.is_some() {
                assert_eq!(record.error_class, Some("upstream_truncated"), "{context}");
                // The clock of the simulation, which nothing but waiting moves.
                assert_eq!(record.attempts[1].elapsed.as_secs(), 3, "{context}");
            } else {
                assert_eq!(told.text, SAID, "{context}");
                assert!(record.latency >= TAKES, "{context}");
            }
        }
    }
}
