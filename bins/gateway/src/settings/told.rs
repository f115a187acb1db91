//! The settings in force as operators are told of them: each with its value and where that came from, secrets masked.

use admin::Setting;
use clap::{Arg, ArgMatches, Command, parser::ValueSource};

/// What stands for a secret.
const MASK: &str = "****";

/// Every setting, by what the command line and environment gave and what the file holds.
pub(super) fn tell(command: &Command, given: &ArgMatches, file: &toml::Table) -> Vec<Setting> {
    command
        .get_arguments()
        .filter_map(|argument| setting(argument, given, file))
        .collect()
}

/// `None` for what is no setting, as `--help`.
fn setting(argument: &Arg, given: &ArgMatches, file: &toml::Table) -> Option<Setting> {
    let name = argument.get_env()?.to_str()?;
    let help = argument.get_help()?.to_string();
    let (about, default) = match help.rsplit_once("[default: ") {
        Some((about, default)) => (about.trim(), Some(default.trim_end_matches(']'))),
        None => (help.as_str(), None),
    };
    let id = argument.get_id().as_str();
    let (source, value) = match (given.value_source(id), file.get(&name.to_lowercase())) {
        (Some(source), _) => {
            let source = match source {
                ValueSource::CommandLine => "flag",
                _ => "environment",
            };
            let value = given.get_raw(id)?.next()?.to_string_lossy();
            (source, Some(value.into_owned()))
        }
        (None, Some(toml::Value::String(text))) => ("file", Some(text.clone())),
        (None, Some(other)) => ("file", serde_json::to_string(other).ok()),
        (None, None) => ("default", default.map(str::to_owned)),
    };
    let is_secret = argument.is_hide_env_values_set() && source != "default";
    Some(Setting {
        name: name.to_owned(),
        value: value.map(|value| if is_secret { MASK.to_owned() } else { value }),
        source,
        about: about.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::{super::given::Flags, *};

    #[test]
    fn values_are_told_with_their_source_and_secrets_are_not() {
        let command = Flags::command();
        let arguments = [
            "gateway",
            "--listen",
            "127.0.0.1:1",
            "--admin-key",
            "secret",
        ];
        let given = command.clone().get_matches_from(arguments);
        let file =
            toml::from_str("log_retention_days = 7\ngateway_api_keys = 'sk-secret'").unwrap();
        let told = tell(&command, &given, &file);
        let of = |name: &str| {
            let setting = told.iter().find(|one| one.name == name).unwrap();
            (setting.value.as_deref(), setting.source)
        };
        assert_eq!(of("GATEWAY_LISTEN"), (Some("127.0.0.1:1"), "flag"));
        assert_eq!(of("GATEWAY_ADMIN_KEY"), (Some(MASK), "flag"));
        assert_eq!(of("GATEWAY_API_KEYS"), (Some(MASK), "file"));
        assert_eq!(of("LOG_RETENTION_DAYS"), (Some("7"), "file"));
        assert_eq!(of("GATEWAY_DRAIN_TIMEOUT"), (Some("20"), "default"));
        assert!(told.iter().all(|one| !one.about.contains("[default")));
    }
}
