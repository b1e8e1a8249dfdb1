//! Logs: to standard error, for a person or for a collector.

use crate::{
    StartError,
    telemetry::{TARGET, Traces},
};
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, Layer, Registry, layer::SubscriberExt, util::SubscriberInitExt};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for a person.
    Text,
    /// One JSON object per line, for a collector.
    Json,
}

/// The settings of logging; flatten it into a process's arguments.
#[derive(Debug, Clone, clap::Args)]
pub struct LogArgs {
    /// What to log: error, warn, info, debug or trace, or directives such as info,moviebooking_users=debug
    #[arg(long = "log", env = "MOVIEBOOKING_LOG", default_value = "info", value_name = "DIRECTIVES",
          value_parser = checked_directives, global = true)]
    directives: String,

    /// Form of the log lines; text on a terminal and json elsewhere unless given
    #[arg(long = "log-format", env = "MOVIEBOOKING_LOG_FORMAT", value_name = "FORMAT", global = true)]
    format: Option<LogFormat>,
}

impl LogArgs {
    /// Starts logging for the whole process, panics included. Headers and bodies are never logged.
    ///
    /// # Errors
    /// If logging was started before.
    pub fn init(&self) -> Result<(), StartError> {
        self.init_with(None)
    }

    /// The same, with spans going to `traces`.
    pub(crate) fn init_with(&self, traces: Option<&Traces>) -> Result<(), StartError> {
        // Spans for traces would be on every line.
        let filter = EnvFilter::try_new(format!("{},{TARGET}=off", self.directives))
            .map_err(|error| StartError::usage(format!("--log (variable MOVIEBOOKING_LOG): {error}")))?;
        let terminal = std::io::stderr().is_terminal();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none());
        let format = self.format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
        let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
            LogFormat::Text => lines.boxed(),
            LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
        };
        match traces {
            // One filter before everything costs less than one for each layer.
            None => tracing_subscriber::registry().with(lines).with(filter).try_init(),
            Some(traces) => {
                let lines = lines.with_filter(filter);
                tracing_subscriber::registry().with(lines).with(traces.layer()).try_init()
            }
        }
        .map_err(|error| StartError::software(format!("cannot start logging: {error}")))?;
        std::panic::set_hook(Box::new(log_panic));
        Ok(())
    }
}

fn log_panic(info: &std::panic::PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("no message");
    match info.location() {
        Some(at) => tracing::error!(file = at.file(), line = at.line(), "panic: {message}"),
        None => tracing::error!("panic: {message}"),
    }
}

fn checked_directives(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("{error}; give a level such as info, or directives such as info,hyper=warn"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_checked_before_anything_starts() {
        assert_eq!(checked_directives("info,hyper=warn").unwrap(), "info,hyper=warn");
        let refused = checked_directives("info,hyper=loud").unwrap_err();
        assert!(refused.contains("give a level such as info"), "{refused}");
    }
}
