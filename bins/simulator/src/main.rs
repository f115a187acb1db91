//! The provider simulator as a program: a listener, its settings as flags, and a clean stop.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use simulator::{Behaviour, Content, Simulator, SimulatorSettings};
use tokio::signal::unix::{SignalKind, signal};

/// A provider that speaks OpenAI's, Anthropic's and Gemini's protocols, costs nothing and fails on demand.
///
/// It prints its base URL in one line and serves until SIGTERM or SIGINT. What goes wrong can be scripted while it
/// runs: by a marker in a prompt, as `[[sim:{"status":503}]]`, or for all requests with `POST /_sim/script`, as
/// `{"rules":[{"model":"m","next":3,"do":{"fault":{"kind":"reset","at":"mid_body"}}}]}`. `GET /_sim/requests` shows
/// what arrived, `POST /_sim/reset` starts anew. It has no protection of its own: keep it on loopback.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    /// Name for markers that aim at one simulator, as `[[sim@NAME:...]]`.
    #[arg(long, default_value = "sim")]
    name: String,
    /// The only key accepted; without it any key is, but one must be sent.
    #[arg(long, env = "SIMULATOR_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// Models served, comma-separated; without it every name is.
    #[arg(long, value_delimiter = ',')]
    models: Vec<String>,
    /// Milliseconds to the first token.
    #[arg(long, default_value_t = 0)]
    ttft_ms: u64,
    /// Pace of the tokens after the first; without it they come as fast as they can be written.
    #[arg(long)]
    tokens_per_second: Option<f64>,
    /// Share by which each wait varies around its value, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    jitter: f64,
    /// Tokens of an answer; one token is one event of a stream.
    #[arg(long, default_value_t = 16)]
    tokens: u32,
    /// What answers are made of.
    #[arg(long, value_enum, default_value_t = Text::Lorem)]
    content: Text,
    /// Share of the requests that fail with `--fault`, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    fault_rate: f64,
    /// How they fail, as JSON: `{"status":429,"retry_after":{"seconds":2}}`, `{"fault":{"kind":"hang","at":{"after_events":3}}}`.
    #[arg(long, default_value = r#"{"status":500}"#, value_parser = behaviour)]
    fault: Box<Behaviour>,
    /// Seed of all chance.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many requests `GET /_sim/requests` remembers.
    #[arg(long, default_value_t = 1024)]
    journal: usize,
    /// Answer requests for text, in every protocol, and for embeddings with bytes made at the start, unread and unchecked:
    /// for load benchmarks.
    #[arg(long)]
    fixed: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Text {
    /// Latin filler words.
    Lorem,
    /// Words of many scripts, emoji and line separators.
    Unicode,
    /// The words of the last user message.
    Echo,
}

fn behaviour(text: &str) -> Result<Box<Behaviour>, serde_json::Error> {
    serde_json::from_str(text)
}

impl From<Cli> for SimulatorSettings {
    fn from(cli: Cli) -> Self {
        Self {
            listen: cli.listen,
            name: cli.name,
            api_key: cli.api_key,
            models: cli.models,
            time_to_first_token: Duration::from_millis(cli.ttft_ms),
            tokens_per_second: cli.tokens_per_second,
            jitter: cli.jitter,
            tokens: cli.tokens,
            content: match cli.content {
                Text::Lorem => Content::Lorem,
                Text::Unicode => Content::Unicode,
                Text::Echo => Content::Echo,
            },
            fault: *cli.fault,
            fault_rate: cli.fault_rate,
            seed: cli.seed,
            journal: cli.journal,
            fixed_answers: cli.fixed,
        }
    }
}

/// One thread: it stays on the core it is pinned to, and one is plenty.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let settings = SimulatorSettings::from(Cli::parse());
    // Taken before the line is printed: whoever reads it may stop the program at once.
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    let simulator = Simulator::start(settings).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", simulator.base_url())
        .and_then(|()| stdout.flush())
        .context("cannot print the base URL")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    simulator.shutdown().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn flags_become_settings() {
        Cli::command().debug_assert();
        let flags = [
            "--models",
            "a,b",
            "--ttft-ms",
            "20",
            "--fault",
            r#"{"status":429}"#,
            "--content",
            "unicode",
        ];
        let settings = SimulatorSettings::from(Cli::parse_from(["simulator"].iter().chain(&flags)));
        assert_eq!(settings.models, ["a", "b"]);
        assert_eq!(settings.time_to_first_token, Duration::from_millis(20));
        assert_eq!(settings.fault, Behaviour::status(429));
        assert_eq!(settings.content, Content::Unicode);
        assert!(Cli::try_parse_from(["simulator", "--fault", r#"{"stauts":429}"#]).is_err());
    }
}
